import type { TokenShare } from '@qpkv/spec'
import { roundHalfEven } from './round-float.ts'

/*
 * The reference of `tokens.pool: 'layer'`: how the heads of a layer share its slots (AdaKV, arXiv 2407.11550). Sums run in double in the
 * order of the tokens, so that every engine finds the same counts.
 */

/** What sharing needs beside the scores. */
export interface SharedSlots {
  /** Slots of all heads together; left out: `slots` for each. */
  readonly total?: number
  /** Protected tokens of a head, which count where a part of all kept ones is meant. */
  readonly reserved?: number
}

/** What sharing needs of a plan. */
export type Sharing = Pick<TokenShare, 'floor' | 'guard' | 'weigh' | 'rounding'>

/**
 * Slots per head. `candidates[head]` holds the scores of the tokens that compete, higher is better, as many per head as compete there; `slots` are a
 * head's equal part. A head's share is how many of the layer's `heads * slots` best scores are its own (ties: lower head, then lower
 * position); it gets `floor * slots + (1 - floor) * share`, rounded so that the sum is exact (`rounding: 'each'`: one by one, half to even).
 */
export function shareAmongHeads(
  candidates: readonly Float32Array[],
  slots: number,
  { floor, guard, weigh, rounding }: Sharing,
  { total = candidates.length * slots, reserved = 0 }: SharedSlots = {},
): number[] {
  const tokens = Math.max(0, ...candidates.map((own) => own.length))
  if (total >= candidates.reduce((sum, own) => sum + own.length, 0))
    return candidates.map((own) => own.length)
  if (total <= 0) return candidates.map(() => 0)
  const least = guard === 'least' ? Math.max(0, Math.floor(floor * (slots + reserved) + 1e-9) - reserved) : 0
  const shares = bestShares(candidates, { slots, total, least, weighed: weigh === 'top-share' })
  if (guard === 'least') return shares
  if (rounding === 'each')
    return shares.map((share) =>
      Math.min(tokens, roundHalfEven(share * (1 - floor) + Math.trunc(slots * floor))),
    )
  const equal = total / candidates.length
  const wanted = shares.map((share) => floor * equal + (1 - floor) * share)
  const counts = wanted.map(Math.floor)
  const byRemainder = wanted
    .map((want, head) => ({ head, rest: want - Math.floor(want) }))
    .sort((a, b) => b.rest - a.rest || a.head - b.head)
  let missing = total - counts.reduce((sum, n) => sum + n, 0)
  for (const { head } of byRemainder) {
    if (missing <= 0) break
    counts[head]!++
    missing--
  }
  return counts
}

interface Competition {
  readonly slots: number
  readonly total: number
  /** Best scores of each head that win in any case. */
  readonly least: number
  /** A head's scores count times what part of their sum its own best ones hold. */
  readonly weighed: boolean
}

/** How many of the best `total` scores each head holds. */
function bestShares(
  candidates: readonly Float32Array[],
  { slots, total, least, weighed }: Competition,
): number[] {
  const all = candidates.flatMap((scores, head) => {
    const weight = weighed ? topShare(scores, slots) : 1
    const safe = new Set([...scores.keys()].sort((a, b) => scores[b]! - scores[a]!).slice(0, least))
    return Array.from(scores, (score, t) => ({ head, score: safe.has(t) ? Infinity : score * weight }))
  })
  // A stable sort: equal scores stay in the order of heads and positions.
  const best = all.sort((a, b) => (a.score === b.score ? 0 : b.score - a.score)).slice(0, total)
  const shares = candidates.map(() => 0)
  for (const { head } of best) shares[head]!++
  return shares
}

/** Sum of a head's `slots` best scores over the sum of all; 0 where all are 0. */
function topShare(scores: Float32Array, slots: number): number {
  const sum = (values: Float32Array) => values.reduce((total, score) => total + score, 0)
  const total = sum(scores)
  return total === 0 ? 0 : sum(scores.slice().sort().reverse().subarray(0, slots)) / total
}
