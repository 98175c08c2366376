import { divergence } from './divergence.ts'

/** One token of a text under a compressed and under the full cache, in nats. */
export interface TokenLoss {
  /** The likeliest token is the same. */
  readonly agrees: boolean
  /** KL(full || compressed) of the two distributions. */
  readonly kl: number
  readonly nll: number
  readonly fullNll: number
}

/**
 * Compares the expectations of two caches row by row.
 * @param logits [rows, vocab]
 * @param full [rows, vocab]
 * @param next [rows] the token that came
 */
export function tokenLosses(
  logits: Float32Array,
  full: Float32Array,
  next: readonly number[],
): readonly TokenLoss[] {
  const vocab = logits.length / next.length
  return next.map((token, row) => {
    const mine = logits.subarray(row * vocab, (row + 1) * vocab)
    const exact = full.subarray(row * vocab, (row + 1) * vocab)
    const { kl, agrees, logSum, exactLogSum } = divergence(mine, exact)
    return { agrees, kl, nll: logSum - (mine[token] ?? NaN), fullNll: exactLogSum - (exact[token] ?? NaN) }
  })
}
