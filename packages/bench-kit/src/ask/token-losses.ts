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
    const [my, its] = [normalizer(mine), normalizer(exact)]
    let kl = 0
    for (const [i, value] of exact.entries()) {
      const log = value - its.log
      kl += Math.exp(log) * (log - ((mine[i] ?? NaN) - my.log))
    }
    return {
      agrees: my.best === its.best,
      // Rounding can leave a little less than nothing.
      kl: Math.max(kl, 0),
      nll: my.log - (mine[token] ?? NaN),
      fullNll: its.log - (exact[token] ?? NaN),
    }
  })
}

/** log of the sum of exponentials, and the likeliest token; ties go to the lower id. */
function normalizer(row: Float32Array): { readonly log: number; readonly best: number } {
  let best = 0
  for (const [i, value] of row.entries()) if (value > (row[best] ?? 0)) best = i
  const most = row[best] ?? 0
  let sum = 0
  for (const value of row) sum += Math.exp(value - most)
  return { log: most + Math.log(sum), best }
}
