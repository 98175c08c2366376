import type { LayerTokens } from '../method/allocator.ts'

/** Each head's tokens, at most `most`. */
export const clampTokens = (tokens: LayerTokens, most: number): LayerTokens =>
  typeof tokens === 'number' ? Math.min(tokens, most) : tokens.map((n) => Math.min(n, most))

/** Tokens per stored head on average. */
export const meanTokens = (tokens: LayerTokens): number =>
  typeof tokens === 'number' ? tokens : tokens.reduce((sum, n) => sum + n, 0) / tokens.length

/** The fewest and the most tokens of a head. */
export const leastOf = (tokens: LayerTokens): number =>
  typeof tokens === 'number' ? tokens : Math.min(...tokens)
export const mostOf = (tokens: LayerTokens): number =>
  typeof tokens === 'number' ? tokens : Math.max(...tokens)
