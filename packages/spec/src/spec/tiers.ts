import { expected } from '../errors.ts'
import { isPlainObject } from '../json.ts'
import { refuseUnknown } from '../options/refuse-unknown.ts'
import type { Bits } from '../plan/tensor-format.ts'

/** A width for part of the packed tokens of every head: the best by score that no tier before has taken. */
export interface Tier {
  /**
   * Part of the packed tokens, rounded down; `allocated`: as many as the allocator says, such as rate-distortion; `rest` in
   * the last tier and nowhere else.
   */
  readonly share: number | 'rest' | 'allocated'
  readonly bits: Bits
}

const widths: readonly unknown[] = [16, 8, 4, 3, 2, 1]

/** Throws KV_INVALID_SPEC with the path. */
export function checkTiers(value: unknown): readonly Tier[] {
  if (!Array.isArray(value) || value.length < 2)
    throw expected('a list of at least two tiers', 'tiers', value, 'KV_INVALID_SPEC')
  const tiers = value.map((item: unknown, i): Tier => {
    const path = `tiers[${i}]`
    if (!isPlainObject(item)) throw expected('an object', path, item, 'KV_INVALID_SPEC')
    refuseUnknown(item, ['share', 'bits'], path, 'KV_INVALID_SPEC', 'field')
    const { share, bits } = item
    const last = i === value.length - 1
    const fits = share === 'allocated' || (typeof share === 'number' && share > 0 && share < 1)
    if (last ? share !== 'rest' : !fits)
      throw expected(
        last ? "'rest' (the last tier takes what is left)" : "a number above 0 and below 1, or 'allocated'",
        `${path}.share`,
        share,
        'KV_INVALID_SPEC',
      )
    if (!widths.includes(bits))
      throw expected(`one of ${widths.join(', ')}`, `${path}.bits`, bits, 'KV_INVALID_SPEC')
    return Object.freeze({ share, bits }) as Tier
  })
  for (const [i, { bits }] of tiers.entries())
    if (i > 0 && bits >= tiers[i - 1]!.bits)
      throw expected(
        `fewer than ${tiers[i - 1]!.bits} (the best tokens come first)`,
        `tiers[${i}].bits`,
        bits,
        'KV_INVALID_SPEC',
      )
  const allocated = tiers.filter(({ share }) => share === 'allocated').length
  if (allocated > 0 && allocated < tiers.length - 1)
    throw expected(
      "shares in all tiers but the last, or 'allocated' in all",
      'tiers',
      value,
      'KV_INVALID_SPEC',
    )
  const sum = tiers.reduce((total, { share }) => total + (typeof share === 'number' ? share : 0), 0)
  if (sum >= 1 - 1e-9) throw expected('shares of less than 1 together', 'tiers', sum, 'KV_INVALID_SPEC')
  return Object.freeze(tiers)
}
