/** Sum in numpy's order for contiguous float64: eight running sums per block of at most 128, blocks summed pairwise. */
function pairwiseSum(values: readonly number[], from: number, count: number): number {
  if (count < 8) {
    let sum = 0
    for (let i = 0; i < count; i++) sum += values[from + i] ?? 0
    return sum
  }
  if (count <= 128) {
    const lanes = values.slice(from, from + 8)
    let i = 8
    for (; i < count - (count % 8); i += 8) {
      for (let lane = 0; lane < 8; lane++) lanes[lane] = (lanes[lane] ?? 0) + (values[from + i + lane] ?? 0)
    }
    const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = lanes
    let sum = a + b + (c + d) + (e + f + (g + h))
    for (; i < count; i++) sum += values[from + i] ?? 0
    return sum
  }
  let half = Math.floor(count / 2)
  half -= half % 8
  return pairwiseSum(values, from, half) + pairwiseSum(values, from + half, count - half)
}

/** `numpy.mean` of a list of floats, to the last bit; NaN for an empty list, as numpy gives. */
export function numpyMean(values: readonly number[]): number {
  return pairwiseSum(values, 0, values.length) / values.length
}
