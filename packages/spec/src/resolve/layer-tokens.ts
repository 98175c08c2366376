import type { AllocatedTokens, LayerTokens, TieredTokens } from '../method/allocator.ts'

/** Whether an allocator has shared a layer's tokens out among tiers, too. */
export const isTiered = (tokens: AllocatedTokens): tokens is TieredTokens =>
  typeof tokens === 'object' && 'tiers' in tokens

/** Tokens of a layer, whatever tiers they lie in. */
export const tokensOf = (tokens: AllocatedTokens): LayerTokens => (isTiered(tokens) ? tokens.perHead : tokens)

/** Each head's tokens, at most `most`. */
export function clampTokens(tokens: LayerTokens, most: number): LayerTokens
export function clampTokens(tokens: AllocatedTokens, most: number): AllocatedTokens
export function clampTokens(tokens: AllocatedTokens, most: number): AllocatedTokens {
  const clamp = (counts: readonly number[]) => counts.map((n) => Math.min(n, most))
  if (isTiered(tokens)) return { perHead: clamp(tokens.perHead), tiers: tokens.tiers.map(clamp) }
  return typeof tokens === 'number' ? Math.min(tokens, most) : clamp(tokens)
}

/** Tokens per stored head on average. */
export function meanTokens(tokens: AllocatedTokens): number {
  const counts = tokensOf(tokens)
  return typeof counts === 'number' ? counts : counts.reduce((sum, n) => sum + n, 0) / counts.length
}

/** The fewest and the most tokens of a head. */
export function leastOf(tokens: AllocatedTokens): number {
  const counts = tokensOf(tokens)
  return typeof counts === 'number' ? counts : Math.min(...counts)
}
export function mostOf(tokens: AllocatedTokens): number {
  const counts = tokensOf(tokens)
  return typeof counts === 'number' ? counts : Math.max(...counts)
}
