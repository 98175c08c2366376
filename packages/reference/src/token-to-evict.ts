import type { LayerPlan } from '@qpkv/spec'

/** Tokens of one stored head in decode: positions in the text, ascending, and their running scores where the plan needs them. */
export interface LiveTokens {
  readonly positions: readonly number[]
  /** Same length; ignored by `fifo`. */
  readonly scores: readonly number[]
}

/**
 * Index of the token that leaves when a head holds one more than it may, or undefined when nothing does:
 * under `fifo` the oldest behind the first `protect.first`, under `lowest-score` the one with the lowest
 * running score between the protected ends; of equal scores the higher position leaves. The reference for
 * eviction in decode; engines clear the token's valid bit.
 */
export function tokenToEvict(
  live: LiveTokens,
  plan: Pick<LayerPlan, 'tokens' | 'protect' | 'evict'>,
): number | undefined {
  const { positions, scores } = live
  const { perHead, capacity = perHead } = plan.tokens
  if (plan.evict === 'never' || positions.length <= capacity) return undefined
  const from = positions.findIndex((position) => position >= plan.protect.first)
  if (from < 0) return undefined
  if (plan.evict === 'fifo') return from
  let lowest: number | undefined
  for (let i = from; i < positions.length - plan.protect.last; i++)
    if (lowest === undefined || scores[i]! <= scores[lowest]!) lowest = i
  return lowest
}
