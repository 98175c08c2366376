/** How far a next-token distribution lies from another. */
export interface Divergence {
  /** KL(exact || other), in nats. */
  readonly kl: number
  /** The likeliest token is the same; ties go to the lower id. */
  readonly agrees: boolean
  /** What is taken from a logit to make it a log-probability. */
  readonly logSum: number
  readonly exactLogSum: number
}

/** Compares two rows of logits, [vocab], with sums in float64. */
export function divergence(logits: Float32Array, exact: Float32Array): Divergence {
  const [mine, its] = [normalizer(logits), normalizer(exact)]
  let kl = 0
  for (const [i, value] of exact.entries()) {
    const log = value - its.logSum
    kl += Math.exp(log) * (log - ((logits[i] ?? NaN) - mine.logSum))
  }
  // Rounding can leave a little less than nothing.
  return {
    kl: kl < 0 ? 0 : kl,
    agrees: mine.best === its.best,
    logSum: mine.logSum,
    exactLogSum: its.logSum,
  }
}

function normalizer(row: Float32Array): { readonly logSum: number; readonly best: number } {
  let best = 0
  for (const [i, value] of row.entries()) if (value > (row[best] ?? 0)) best = i
  const most = row[best] ?? 0
  let sum = 0
  for (const value of row) sum += Math.exp(value - most)
  return { logSum: most + Math.log(sum), best }
}
