import { expected, KvError } from '../errors.ts'
import { isPlainObject } from '../json.ts'

/**
 * What the layers may keep on average at the end of prefill, per stored head:
 * `tokens` entries; `fp16Tokens` the memory of that many 16-bit entries by nominal bits; `fraction` a share of the prompt's
 * entries, in (0, 1]; `bytes` real bytes of the whole cache, a number or a text such as '256MiB'.
 */
export type Budget =
  | { readonly tokens: number }
  | { readonly fp16Tokens: number }
  | { readonly fraction: number }
  | { readonly bytes: number | string }

const units: Record<string, number> = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 }
const byteText = /^(\d+(?:\.\d+)?)(KiB|MiB|GiB)$/

/** Bytes of a `bytes` budget: 131072, or '128KiB', '1.5MiB', '2GiB'. */
export function budgetBytes(bytes: number | string): number {
  if (typeof bytes === 'number') return bytes
  const match = byteText.exec(bytes)
  return match ? Math.floor(Number(match[1]) * units[match[2]!]!) : NaN
}

const positiveInteger = (value: unknown) => Number.isSafeInteger(value) && (value as number) > 0

/** Throws KV_INVALID_SPEC unless `value` is one of the four kinds. */
export function checkBudget(value: unknown, path = 'budget'): Budget {
  const kinds = ['tokens', 'fp16Tokens', 'fraction', 'bytes']
  const what = 'one of { tokens }, { fp16Tokens }, { fraction }, { bytes }'
  if (!isPlainObject(value)) throw expected(what, path, value, 'KV_INVALID_SPEC')
  const given = Object.keys(value).filter((key) => value[key] !== undefined)
  const kind = given[0]
  if (given.length !== 1 || kind === undefined || !kinds.includes(kind))
    throw expected(what, path, value, 'KV_INVALID_SPEC')
  const amount = value[kind]
  const at = `${path}.${kind}`
  if (kind === 'tokens' || kind === 'fp16Tokens') {
    if (!positiveInteger(amount))
      throw expected('a whole number of at least 1', at, amount, 'KV_INVALID_SPEC')
  } else if (kind === 'fraction') {
    if (typeof amount !== 'number' || !(amount > 0 && amount <= 1))
      throw expected('a number above 0 and at most 1', at, amount, 'KV_INVALID_SPEC')
  } else {
    const bytes = typeof amount === 'number' || typeof amount === 'string' ? budgetBytes(amount) : NaN
    if (!positiveInteger(bytes))
      throw expected(
        "a whole number of bytes or a text such as '128KiB', '256MiB', '1.5GiB'",
        at,
        amount,
        'KV_INVALID_SPEC',
      )
  }
  return { [kind]: amount } as Budget
}

/** A number of bytes for people, exact beside the rounded form. */
export function formatBytes(bytes: number): string {
  for (const unit of ['GiB', 'MiB', 'KiB']) {
    const size = units[unit]!
    if (bytes >= size) return `${Number((bytes / size).toFixed(2))} ${unit}`
  }
  return `${bytes} bytes`
}

export const budgetKind = (budget: Budget): 'tokens' | 'fp16Tokens' | 'fraction' | 'bytes' => {
  for (const kind of ['tokens', 'fp16Tokens', 'fraction', 'bytes'] as const) if (kind in budget) return kind
  throw new KvError('KV_INVALID_SPEC', 'A budget has one of tokens, fp16Tokens, fraction, bytes.')
}
