import type { TokenShare } from '@qpkv/spec'
import { roundHalfEven } from './round-float.ts'

/*
 * The reference of `tokens.pool: 'layer'`: how the heads of a layer share its places (AdaKV, arXiv 2407.11550). Sums run in double in the
 * order of the tokens, so that every engine finds the same counts.
 */

/** What sharing needs of a plan. */
export type Sharing = Pick<TokenShare, 'floor' | 'weigh' | 'rounding'>

/**
 * Places per head. `candidates[head]` holds the scores of the tokens that compete, higher is better, equally many per head; `places` are a
 * head's equal part. A head's share is how many of the layer's `heads * places` best scores are its own (ties: lower head, then lower
 * position); it gets `floor * places + (1 - floor) * share`, rounded so that the sum is exact (`rounding: 'each'`: one by one, half to even).
 */
export function shareAmongHeads(
  candidates: readonly Float32Array[],
  places: number,
  { floor, weigh, rounding }: Sharing,
): number[] {
  const tokens = candidates[0]?.length ?? 0
  if (places >= tokens) return candidates.map(() => tokens)
  if (places <= 0) return candidates.map(() => 0)
  const shares = bestShares(candidates, places, weigh === 'top-share')
  if (rounding === 'each')
    return shares.map((share) =>
      Math.min(tokens, roundHalfEven(share * (1 - floor) + Math.trunc(places * floor))),
    )
  const wanted = shares.map((share) => floor * places + (1 - floor) * share)
  const counts = wanted.map(Math.floor)
  const byRemainder = wanted
    .map((want, head) => ({ head, rest: want - Math.floor(want) }))
    .sort((a, b) => b.rest - a.rest || a.head - b.head)
  let missing = candidates.length * places - counts.reduce((sum, n) => sum + n, 0)
  for (const { head } of byRemainder) {
    if (missing <= 0) break
    counts[head]!++
    missing--
  }
  return counts
}

/** How many of the best `heads * places` scores each head holds; weighed, a head's scores count times what part of its mass its own best ones hold. */
function bestShares(candidates: readonly Float32Array[], places: number, weighed: boolean): number[] {
  const all = candidates.flatMap((scores, head) => {
    const weight = weighed ? topShare(scores, places) : 1
    return Array.from(scores, (score) => ({ head, score: score * weight }))
  })
  // A stable sort: equal scores stay in the order of heads and positions.
  const best = all.sort((a, b) => b.score - a.score).slice(0, candidates.length * places)
  const shares = candidates.map(() => 0)
  for (const { head } of best) shares[head]!++
  return shares
}

/** Sum of a head's `places` best scores over the sum of all; 0 where all are 0. */
function topShare(scores: Float32Array, places: number): number {
  const sum = (values: Float32Array) => values.reduce((total, score) => total + score, 0)
  const total = sum(scores)
  return total === 0 ? 0 : sum(scores.slice().sort().reverse().subarray(0, places)) / total
}
