import { expected, KvError } from '../errors.ts'
import { isPlainObject, toJson, type JsonObject } from '../json.ts'
import { refuseUnknown } from '../options/refuse-unknown.ts'
import type { CompressionSpec } from '../spec/compression-spec.ts'
import { loadSpec } from '../spec/load-spec.ts'

/** Version that recipes are written in. */
export const RECIPE_VERSION = 1

/**
 * When the question is known: `query-aware`, the compressed prompt ends with it; `query-agnostic`, the text alone is
 * compressed and questions follow.
 */
export type RecipeProtocol = 'query-aware' | 'query-agnostic'

export const recipeProtocols: readonly RecipeProtocol[] = ['query-aware', 'query-agnostic']

/** A spec and what it was found to suit. Plain JSON, written by the planner; whatever lies outside is refused. */
export interface Recipe {
  readonly recipeVersion: typeof RECIPE_VERSION
  readonly spec: CompressionSpec
  readonly model: RecipeModel
  /** Lengths of prompts that it holds for, in tokens, both included. */
  readonly tokens: { readonly from: number; readonly to: number }
  readonly protocols: readonly RecipeProtocol[]
  /** How it was found: figures for people. */
  readonly measured?: JsonObject
}

/** The model that a recipe was found on, by content. */
export interface RecipeModel {
  /** For people. */
  readonly name: string
  /** 16 hexadecimal digits that another checkpoint does not have. */
  readonly fingerprint: string
  /** What the weights were rounded to, where they were. */
  readonly weights?: string
}

const fields = ['$schema', 'recipeVersion', 'spec', 'model', 'tokens', 'protocols', 'measured']

/**
 * Reads a recipe from a file's text or its parsed JSON.
 * @throws KV_RECIPE with the path of what is wrong; for the spec, what loadSpec throws
 */
export function loadRecipe(source: unknown): Recipe {
  const value = typeof source === 'string' ? parse(source) : source
  if (!isPlainObject(value)) throw wrong('an object', 'the recipe', value)
  if (value['recipeVersion'] === undefined && value['specVersion'] !== undefined)
    throw new KvError('KV_RECIPE', 'Expected a recipe but received a spec.', {
      hint: 'Give it as a spec: --spec FILE, or compression: the object itself.',
    })
  refuseUnknown(value, fields, 'the recipe', 'KV_RECIPE', 'field')
  const { recipeVersion, spec, tokens, protocols, measured } = value
  if (recipeVersion !== RECIPE_VERSION)
    throw wrong(
      `${RECIPE_VERSION}`,
      'recipeVersion',
      recipeVersion,
      'Install a qpkv that knows this version.',
    )
  const figures = measured === undefined ? undefined : toJson(measured)
  if (measured !== undefined && !isPlainObject(figures)) throw wrong('an object', 'measured', measured)
  return Object.freeze({
    recipeVersion: RECIPE_VERSION,
    spec: loadSpec(spec),
    model: checkModel(value['model']),
    tokens: checkTokens(tokens),
    protocols: checkProtocols(protocols),
    ...(figures !== undefined && { measured: figures as JsonObject }),
  })
}

function checkModel(value: unknown): RecipeModel {
  if (!isPlainObject(value)) throw wrong('an object', 'model', value)
  refuseUnknown(value, ['name', 'fingerprint', 'weights'], 'model', 'KV_RECIPE', 'field')
  const { name, fingerprint, weights } = value
  if (typeof name !== 'string') throw wrong('a text', 'model.name', name)
  if (typeof fingerprint !== 'string' || !/^[0-9a-f]{16}$/.test(fingerprint))
    throw wrong('16 hexadecimal digits', 'model.fingerprint', fingerprint)
  if (weights !== undefined && typeof weights !== 'string') throw wrong('a text', 'model.weights', weights)
  return { name, fingerprint, ...(weights !== undefined && { weights }) }
}

function checkTokens(value: unknown): Recipe['tokens'] {
  if (!isPlainObject(value)) throw wrong('an object { from, to }', 'tokens', value)
  refuseUnknown(value, ['from', 'to'], 'tokens', 'KV_RECIPE', 'field')
  const { from, to } = value as { from: number; to: number }
  if (!Number.isSafeInteger(from) || from < 1)
    throw wrong('a whole number of at least 1', 'tokens.from', from)
  if (!Number.isSafeInteger(to) || to < from)
    throw wrong(`a whole number of at least ${from}`, 'tokens.to', to)
  return { from, to }
}

function checkProtocols(value: unknown): readonly RecipeProtocol[] {
  const known = (item: unknown) => recipeProtocols.includes(item as RecipeProtocol)
  if (
    !Array.isArray(value) ||
    value.length === 0 ||
    !value.every(known) ||
    new Set(value).size < value.length
  )
    throw wrong(`a list of one or both of ${recipeProtocols.join(', ')}`, 'protocols', value)
  return Object.freeze([...(value as RecipeProtocol[])])
}

const wrong = (what: string, path: string, received: unknown, hint?: string) =>
  expected(what, path, received, 'KV_RECIPE', hint)

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new KvError('KV_RECIPE', `The recipe is not valid JSON: ${(cause as Error).message}`, {
      cause,
      hint: 'A recipe is a file that qpkv plan or qpkv tune-bits wrote.',
    })
  }
}
