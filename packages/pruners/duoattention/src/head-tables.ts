import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describeValue, isPlainObject, KvError, refuseUnknown } from '@qpkv/spec'

/** How much each head of a model needs the whole text, from 0 to 1: [layers][kvHeads]. */
export interface HeadTable {
  readonly headTableVersion: 1
  readonly heads: readonly (readonly number[])[]
  /** What it was made of, for reports. */
  readonly source?: string
  /** The model that it was made on; others are refused. Left out: any of these dimensions. */
  readonly model?: TableModel
}

export interface TableModel {
  /** For people. */
  readonly name: string
  /** `identity` of the model's facts. */
  readonly identity: string
}

const fields = ['headTableVersion', 'heads', 'source', 'model']

/**
 * A table from what a context kept: the part of the prompt that each head of each layer keeps where all of them share
 * slots, as under kvzip. `kept` is `context.report.kept`. Written to a file as JSON it serves other texts without a replay.
 */
export const headTableOf = (
  kept: readonly (readonly number[])[],
  promptTokens: number,
  source?: string,
): HeadTable => ({
  headTableVersion: 1,
  heads: kept.map((layer) => layer.map((count) => Math.round((1e4 * count) / promptTokens) / 1e4)),
  ...(source !== undefined && { source }),
})

/** SHA-256 of a table's numbers. */
export const headTableHash = ({ heads }: HeadTable): string =>
  createHash('sha256').update(JSON.stringify(heads)).digest('hex')

/** Reads a JSON table, or one of rows of numbers with tabs between, as DuoAttention publishes them. Throws KV_INVALID_OPTION. */
export function readHeadTable(path: string): HeadTable {
  let content: string
  try {
    content = readFileSync(path, 'utf8')
  } catch {
    throw new KvError('KV_INVALID_OPTION', `The head table ${path} cannot be read.`, {
      hint: 'Give the path of a JSON file, or of a .tsv file with one row per layer.',
    })
  }
  if (!content.trimStart().startsWith('{'))
    return checkHeadTable(
      {
        headTableVersion: 1,
        heads: content
          .trim()
          .split(/\r?\n/)
          .map((line) => line.trim().split(/\s+/).map(Number)),
      },
      path,
    )
  try {
    return checkHeadTable(JSON.parse(content), path)
  } catch (error) {
    if (KvError.isInstance(error)) throw error
    throw new KvError('KV_INVALID_OPTION', `The head table ${path} is no JSON: ${(error as Error).message}`)
  }
}

/** Throws KV_INVALID_OPTION for what is no table; numbers are cut to 0 to 1. */
export function checkHeadTable(value: unknown, path: string): HeadTable {
  const heads = isPlainObject(value) ? value['heads'] : undefined
  const fits =
    isPlainObject(value) &&
    value['headTableVersion'] === 1 &&
    Array.isArray(heads) &&
    heads.length > 0 &&
    heads.every(
      (layer) =>
        Array.isArray(layer) &&
        layer.length > 0 &&
        layer.length === (heads[0] as unknown[]).length &&
        layer.every((x) => typeof x === 'number' && Number.isFinite(x)),
    )
  if (!fits)
    throw new KvError(
      'KV_INVALID_OPTION',
      `Expected a head table { headTableVersion: 1, heads: [layers][kvHeads] of numbers } at ${path} but received ${describeValue(value)}.`,
    )
  refuseUnknown(value, fields, path, 'KV_INVALID_OPTION', 'field')
  const { source, model } = value
  if (model !== undefined && !isTableModel(model))
    throw new KvError(
      'KV_INVALID_OPTION',
      `Expected a model { name, identity } of two texts at ${path}.model but received ${describeValue(model)}.`,
    )
  return {
    headTableVersion: 1,
    heads: (heads as number[][]).map((layer) => layer.map((x) => Math.min(1, Math.max(0, x)))),
    ...(typeof source === 'string' && { source }),
    ...(model !== undefined && { model }),
  }
}

const isTableModel = (value: unknown): value is TableModel =>
  isPlainObject(value) && typeof value['name'] === 'string' && typeof value['identity'] === 'string'
