import { checkBudget, type Budget } from './budget.ts'
import { expected, KvError } from '../errors.ts'
import { isPlainObject } from '../json.ts'
import { attachMethod, carriedMethod, type MethodRef } from '../method/method-ref.ts'
import { nearestName } from '../nearest-name.ts'
import { optionsToJson } from '../options/option-shape.ts'
import type { Bits } from '../tensor-format.ts'

/** Version that specs are written in; loadSpec() reads older ones. */
export const SPEC_VERSION = 1

/** One experiment as plain JSON. Saved in every result file; loading it re-runs the experiment. */
export interface CompressionSpec {
  readonly specVersion: 1
  /** Stored once per KV head (the default), or per query head as the original codes store it. */
  readonly heads?: 'kv' | 'query'
  readonly budget?: Budget
  readonly prune: MethodRef
  readonly quantize: MethodRef
  readonly layers?: readonly LayerOverride[]
}

/** The same as written in code: version and methods may be left out; both methods default to `none`. */
export type SpecInput = {
  readonly [K in keyof CompressionSpec]?: CompressionSpec[K] | undefined
}

/** Exceptions for layers `from` <= layer < `to`. */
export interface LayerOverride {
  readonly from: number
  readonly to: number
  /** Tokens per stored head, instead of what the pruner gives. */
  readonly tokens?: number
  readonly keyBits?: Bits
  readonly valueBits?: Bits
}

const fields = ['specVersion', 'heads', 'budget', 'prune', 'quantize', 'layers']
const layerFields = ['from', 'to', 'tokens', 'keyBits', 'valueBits']
const widths: readonly unknown[] = [16, 8, 4, 3, 2, 1]

/**
 * Checks a spec's structure and returns it as a frozen value with nothing filled in but version and
 * `none`. Options of methods are checked later, by the methods. Throws KV_INVALID_SPEC, or
 * KV_CONFLICT for overrides that contradict each other.
 */
export function checkSpec(input: unknown): CompressionSpec {
  if (!isPlainObject(input)) throw expected('an object', 'the spec', input, 'KV_INVALID_SPEC')
  refuseUnknown(input, fields, 'spec')
  const { specVersion = SPEC_VERSION, heads, budget, prune, quantize, layers } = input
  if (specVersion !== SPEC_VERSION)
    throw expected(
      `${SPEC_VERSION}`,
      'specVersion',
      specVersion,
      'KV_INVALID_SPEC',
      'Older and newer files are read by loadSpec().',
    )
  if (heads !== undefined && heads !== 'kv' && heads !== 'query')
    throw expected("'kv' or 'query'", 'heads', heads, 'KV_INVALID_SPEC')
  const overrides = checkLayers(layers ?? [])
  return Object.freeze({
    specVersion: SPEC_VERSION,
    ...(heads !== undefined && { heads }),
    ...(budget !== undefined && { budget: Object.freeze(checkBudget(budget)) }),
    prune: checkRef(prune ?? { method: 'none' }, 'prune'),
    quantize: checkRef(quantize ?? { method: 'none' }, 'quantize'),
    ...(overrides.length > 0 && { layers: overrides }),
  }) as CompressionSpec
}

function refuseUnknown(value: Record<string, unknown>, known: readonly string[], path: string): void {
  for (const key of Object.keys(value)) {
    if (known.includes(key) || value[key] === undefined) continue
    const near = nearestName(key, known)
    throw new KvError('KV_INVALID_SPEC', `Unknown field ${path}.${key}.`, {
      hint: near ? `Did you mean ${near}?` : `Fields: ${known.join(', ')}.`,
    })
  }
}

function checkRef(value: unknown, path: string): MethodRef {
  const example = `{ "method": "${path === 'prune' ? 'snapkv' : 'kivi'}" }`
  if (typeof value === 'function')
    throw expected(
      `a method's value, such as ${example}`,
      path,
      value,
      'KV_INVALID_SPEC',
      'Call the method: snapkv(), not snapkv.',
    )
  if (!isPlainObject(value)) throw expected(`an object such as ${example}`, path, value, 'KV_INVALID_SPEC')
  const { method, ...options } = value
  if (typeof method !== 'string' || !/^[^\s:+#'=,]+$/.test(method) || /@\d/.test(method))
    throw expected('the name of a method', `${path}.method`, method, 'KV_INVALID_SPEC')
  const ref = { method, ...optionsToJson(options, path) }
  const carried = carriedMethod(value)
  return carried ? attachMethod(ref, carried) : Object.freeze(ref)
}

function checkLayers(value: unknown): readonly LayerOverride[] {
  if (!Array.isArray(value)) throw expected('a list', 'layers', value, 'KV_INVALID_SPEC')
  const layers = value.map((item: unknown, i) => checkLayer(item, `layers[${i}]`))
  for (const [i, a] of layers.entries())
    for (const [j, b] of layers.entries()) if (i < j) refuseContradiction(a, b, i, j)
  return Object.freeze(layers)
}

function checkLayer(item: unknown, path: string): LayerOverride {
  const fail = (what: string, field: string, received: unknown) =>
    expected(what, `${path}.${field}`, received, 'KV_INVALID_SPEC')
  if (!isPlainObject(item)) throw expected('an object', path, item, 'KV_INVALID_SPEC')
  refuseUnknown(item, layerFields, path)
  const { from, to, tokens, keyBits, valueBits } = item
  if (!Number.isSafeInteger(from) || (from as number) < 0) throw fail('a layer number from 0', 'from', from)
  if (!Number.isSafeInteger(to) || (to as number) <= (from as number))
    throw fail(`a layer number above ${String(from)} (it is not included)`, 'to', to)
  if (tokens !== undefined && !(Number.isSafeInteger(tokens) && (tokens as number) > 0))
    throw fail('a whole number of at least 1', 'tokens', tokens)
  if (keyBits !== undefined && !widths.includes(keyBits))
    throw fail(`one of ${widths.join(', ')}`, 'keyBits', keyBits)
  if (valueBits !== undefined && !widths.includes(valueBits))
    throw fail(`one of ${widths.join(', ')}`, 'valueBits', valueBits)
  if (tokens === undefined && keyBits === undefined && valueBits === undefined)
    throw expected('at least one of tokens, keyBits, valueBits', path, item, 'KV_INVALID_SPEC')
  const given = { from, to, tokens, keyBits, valueBits }
  return Object.freeze(
    Object.fromEntries(Object.entries(given).filter(([, v]) => v !== undefined)),
  ) as unknown as LayerOverride
}

function refuseContradiction(a: LayerOverride, b: LayerOverride, i: number, j: number): void {
  if (a.to <= b.from || b.to <= a.from) return
  for (const field of ['tokens', 'keyBits', 'valueBits'] as const) {
    if (a[field] === undefined || b[field] === undefined || a[field] === b[field]) continue
    const from = Math.max(a.from, b.from)
    const to = Math.min(a.to, b.to)
    throw new KvError(
      'KV_CONFLICT',
      `layers[${i}] and layers[${j}] give layers ${from}-${to} different ${field}: ${a[field]} and ${b[field]}.`,
      { hint: 'Make their ranges disjoint; `to` is not included.' },
    )
  }
}
