import type { AllocationLayer } from '@qpkv/spec'

/** Importance of the tokens of a head that compete for slots. */
export interface SortedImportance {
  /** Descending. */
  readonly sorted: Float64Array
  /** Sums of the first n of them, [tokens + 1]. */
  readonly sums: Float64Array
}

/**
 * Scores to the given power, per stored head of a layer. Where a score of a head is below 0, its lowest one is subtracted
 * first. A billionth of the head's mean is added, so that tokens of no importance are shared out evenly when nothing else is left.
 */
export function sortedImportance(
  layer: AllocationLayer,
  heads: number,
  power: number,
  tokens: number,
): readonly SortedImportance[] {
  const scores = layer.measured!
  const competing = competitors(layer, tokens)
  return Array.from({ length: heads }, (_, head) => {
    const own = Float64Array.from(competing, (t) => scores[head * tokens + t]!)
    const least = own.reduce((low, x) => Math.min(low, x), 0)
    for (const [i, x] of own.entries()) own[i] = (x - least) ** power
    const mean = own.reduce((sum, x) => sum + x, 0) / Math.max(1, own.length)
    for (const [i, x] of own.entries()) own[i] = x + (mean > 0 ? 1e-9 * mean : 1)
    return withSums(own.sort().reverse())
  })
}

function withSums(sorted: Float64Array): SortedImportance {
  const sums = new Float64Array(sorted.length + 1)
  for (const [i, x] of sorted.entries()) sums[i + 1] = sums[i]! + x
  return { sorted, sums }
}

/** Positions of the tokens that are not protected. */
function competitors({ protects, candidates }: AllocationLayer, tokens: number): number[] {
  const named = new Set(protects.positions ?? [])
  const free: number[] = []
  for (let t = Math.max(protects.first, tokens - candidates); t < tokens - protects.last; t++)
    if (!named.has(t)) free.push(t)
  return free
}
