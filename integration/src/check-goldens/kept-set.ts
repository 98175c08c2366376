import type { PrunerCase } from './pruner-case.ts'

/** The stored scores and positions of one head of a case. */
export interface GoldenHead {
  /** Pooled scores handed to top-k, [tokens - window]; empty for methods without scores. */
  readonly scores: Float32Array
  /** Kept positions, as the original stored them. */
  readonly kept: Int32Array
}

/**
 * Rules of the vectors' README: equal count, the window at the end, then every position clearly above the k-th score is kept and none clearly below
 * (max pooling makes exact ties, so sets are compared only where they are unique). Returns the first difference.
 */
export function compareHead(
  golden: GoldenHead,
  unique: boolean,
  kept: Int32Array,
  test: PrunerCase,
): string | undefined {
  if (kept.length !== golden.kept.length)
    return `expected ${golden.kept.length} kept tokens but have ${kept.length}`
  const sorted = [...kept].sort((a, b) => a - b)
  if (!test.pruned) {
    const wrong = sorted.findIndex((position, index) => position !== index)
    return wrong < 0 ? undefined : `nothing is pruned, but position ${wrong} is missing`
  }
  const window = test.method === 'l2norm' ? 0 : (test.params.window_size ?? 0)
  const firstOfWindow = test.n_tokens - window
  for (let i = 0; i < window; i++)
    if (sorted[sorted.length - window + i] !== firstOfWindow + i)
      return `the last ${window} kept tokens are not the window`
  const chosen = sorted.slice(0, sorted.length - window)
  if (chosen.length === 0) return undefined
  if (unique || golden.scores.length === 0) {
    const theirs = [...golden.kept].sort((a, b) => a - b)
    const at = sorted.findIndex((position, index) => position !== theirs[index])
    return at < 0 ? undefined : `kept set differs: ours has ${sorted[at]}, theirs ${theirs[at]}`
  }
  const kth = [...golden.scores].sort((a, b) => b - a)[chosen.length - 1] ?? NaN
  const tolerance = 2e-5 * Math.abs(kth)
  const ours = new Set(chosen)
  for (let position = 0; position < golden.scores.length; position++) {
    const score = golden.scores[position] ?? NaN
    if (score > kth + tolerance && !ours.has(position))
      return `position ${position} with score ${score} above the ${chosen.length}th (${kth}) is dropped`
    if (score < kth - tolerance && ours.has(position))
      return `position ${position} with score ${score} below the ${chosen.length}th (${kth}) is kept`
  }
  return undefined
}
