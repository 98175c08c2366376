/*
 * The reference of the operation `entropy-gate`: the order in which blocks of tokens are taken, as a score.
 */

/** [tokens]: n for the token that is taken first of n, 1 for the last. */
export function takenInOrder(scores: Float32Array, block: number, rescue: number): Float32Array {
  if (scores.some(Number.isNaN)) return scores.map(() => NaN)
  const blocks = Array.from({ length: Math.ceil(scores.length / block) }, (_, b) =>
    scores.subarray(b * block, (b + 1) * block),
  )
  const means = Float32Array.from(blocks, (own) => own.reduce((a, b) => a + b, 0) / own.length)
  const entropies = Float32Array.from(blocks, entropy)
  const taken = descending(means).flatMap((b) => {
    const best = descending(blocks[b]!).map((i) => b * block + i)
    const spiky = means[b]! >= median(means) && entropies[b]! < median(entropies)
    return spiky ? best.slice(0, rescue) : best
  })
  const known = new Set(taken)
  const all = [...taken, ...descending(scores).filter((t) => !known.has(t))]
  const order = new Float32Array(scores.length)
  for (const [i, t] of all.entries()) order[t] = all.length - i
  return order
}

/** Indices from the highest value down; of equal ones the lower first. */
const descending = (x: Float32Array): number[] => [...x.keys()].sort((a, b) => x[b]! - x[a]! || a - b)

/** Of an even number the lower one of the middle. */
const median = (x: Float32Array): number => x[descending(x)[x.length >> 1]!]!

/** Over the most that the length allows; worth below 0 is counted from the lowest. */
function entropy(x: Float32Array): number {
  if (x.length < 2) return 0
  const low = Math.min(0, ...x)
  const sum = x.reduce((total, value) => total + (value - low), 0) + 1e-10
  const bits = x.reduce((total, value) => {
    const p = (value - low) / sum
    return total - p * Math.log(p + 1e-10)
  }, 0)
  return Math.min(1, Math.max(0, bits / Math.log(x.length)))
}
