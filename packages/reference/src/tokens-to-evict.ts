import { headTokens, type LayerPlan } from '@qpkv/spec'

/** Tokens of one stored head in decode: positions in the text, ascending, and their running scores where the plan needs them. */
export interface LiveTokens {
  readonly positions: readonly number[]
  /** Same length; ignored by `fifo`. */
  readonly scores: readonly number[]
}

/**
 * Indices of the tokens to evict when a head holds more than it may: under `fifo` the oldest behind the first
 * `protect.first`, by score those with the lowest running scores between the protected ends; of equal scores the higher
 * position is evicted. The reference for eviction in decode; engines clear the tokens' valid bits.
 */
export function tokensToEvict(
  live: LiveTokens,
  { tokens, protect, evict }: Pick<LayerPlan, 'tokens' | 'protect' | 'evict'>,
  head = 0,
): number[] {
  if (evict === 'never') return []
  const byScore = evict !== 'fifo'
  const capacity = byScore ? evict.capacity : (tokens.capacity ?? headTokens(tokens, head + 1)[head]!)
  const { positions, scores } = live
  const excess = positions.length - capacity
  if (excess < (byScore ? evict.every : 1)) return []
  const named = new Set(protect.positions ?? [])
  const open = [...positions.keys()].filter(
    (i) =>
      positions[i]! >= protect.first &&
      !named.has(positions[i]!) &&
      (!byScore || i < positions.length - protect.last),
  )
  const order = byScore ? open.sort((a, b) => scores[a]! - scores[b]! || b - a) : open
  return order.slice(0, excess).sort((a, b) => a - b)
}
