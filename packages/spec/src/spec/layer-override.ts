import { expected, KvError } from '../errors.ts'
import { isPlainObject } from '../json.ts'
import { refuseUnknown } from '../options/refuse-unknown.ts'
import type { Bits } from '../plan/tensor-format.ts'

/** What overrides set. */
export interface LayerSettings {
  /** Tokens per stored head, one number for all or one per head, instead of what the allocator gives. */
  readonly tokens?: number | readonly number[]
  readonly keyBits?: Bits
  readonly valueBits?: Bits
}

/** Exceptions for layers `from` <= layer < `to`; without a range: for every layer that no range speaks of. */
export interface LayerOverride extends LayerSettings {
  readonly from?: number
  readonly to?: number
}

const settings = ['tokens', 'keyBits', 'valueBits'] as const
const widths: readonly unknown[] = [16, 8, 4, 3, 2, 1]

/** Throws KV_INVALID_SPEC with the path, KV_CONFLICT where two overrides contradict each other. */
export function checkLayers(value: unknown): readonly LayerOverride[] {
  if (!Array.isArray(value)) throw expected('a list', 'layers', value, 'KV_INVALID_SPEC')
  const layers = value.map((item: unknown, i) => checkLayer(item, `layers[${i}]`))
  for (const [i, a] of layers.entries())
    for (const [j, b] of layers.entries()) if (i < j) refuseContradiction(a, b, i, j)
  return Object.freeze(layers)
}

const isCount = (value: unknown) => Number.isSafeInteger(value) && (value as number) > 0

function checkLayer(item: unknown, path: string): LayerOverride {
  const fail = (what: string, field: string, received: unknown) =>
    expected(what, `${path}.${field}`, received, 'KV_INVALID_SPEC')
  if (!isPlainObject(item)) throw expected('an object', path, item, 'KV_INVALID_SPEC')
  refuseUnknown(item, ['from', 'to', ...settings], path, 'KV_INVALID_SPEC', 'field')
  const { from, to, tokens, keyBits, valueBits } = item
  if (from !== undefined || to !== undefined) {
    if (!Number.isSafeInteger(from) || (from as number) < 0) throw fail('a layer number from 0', 'from', from)
    if (!Number.isSafeInteger(to) || (to as number) <= (from as number))
      throw fail(`a layer number above ${String(from)} (it is not included)`, 'to', to)
  }
  const lists = Array.isArray(tokens) && tokens.length > 0 && tokens.every(isCount)
  if (tokens !== undefined && !isCount(tokens) && !lists)
    throw fail('a whole number of at least 1, or a list of them, one per stored head,', 'tokens', tokens)
  if (keyBits !== undefined && !widths.includes(keyBits))
    throw fail(`one of ${widths.join(', ')}`, 'keyBits', keyBits)
  if (valueBits !== undefined && !widths.includes(valueBits))
    throw fail(`one of ${widths.join(', ')}`, 'valueBits', valueBits)
  if (settings.every((field) => item[field] === undefined))
    throw expected('at least one of tokens, keyBits, valueBits', path, item, 'KV_INVALID_SPEC')
  const given = {
    from,
    to,
    tokens: lists ? Object.freeze([...(tokens as number[])]) : tokens,
    keyBits,
    valueBits,
  }
  return Object.freeze(Object.fromEntries(Object.entries(given).filter(([, v]) => v !== undefined)))
}

/** Two ranges that overlap, or two overrides without one, may not set a field to different values. */
function refuseContradiction(a: LayerOverride, b: LayerOverride, i: number, j: number): void {
  const ranged = a.to !== undefined && b.to !== undefined
  const overlap = ranged ? a.to > b.from! && b.to > a.from! : a.to === b.to
  if (!overlap) return
  for (const field of settings) {
    if (a[field] === undefined || b[field] === undefined) continue
    if (JSON.stringify(a[field]) === JSON.stringify(b[field])) continue
    const where = ranged
      ? `layers ${Math.max(a.from!, b.from!)}-${Math.min(a.to, b.to)}`
      : 'the layers that no range speaks of'
    throw new KvError(
      'KV_CONFLICT',
      `layers[${i}] and layers[${j}] give ${where} different ${field}: ${JSON.stringify(a[field])} and ${JSON.stringify(b[field])}.`,
      { hint: 'Make their ranges disjoint; `to` is not included.' },
    )
  }
}

/** What overrides say of one layer: ranges first, then those without; `path` is where its `tokens` stand. */
export function overrideOf(
  layers: readonly LayerOverride[],
  layer: number,
): LayerSettings & { readonly path?: string } {
  let joined: LayerSettings & { path?: string } = {}
  const general = [...layers.entries()].filter(([, item]) => item.to === undefined)
  const ranged = [...layers.entries()].filter(
    ([, { from, to }]) => to !== undefined && layer >= from! && layer < to,
  )
  for (const [i, { from: _f, to: _t, ...item }] of [...general, ...ranged])
    joined = { ...joined, ...item, ...(item.tokens !== undefined && { path: `layers[${i}].tokens` }) }
  return joined
}
