/** Bounds of a factor: e^-0.3 and e^10. */
const LEAST = Math.fround(Math.exp(-0.3))
const MOST = Math.fround(Math.exp(10))

const clamp = (x: number, least: number, most: number) => Math.min(most, Math.max(least, x))

/**
 * Two-sided variance normalization (arXiv 2606.03458) of a matrix [rows, columns]: factors of its columns. In turn the
 * columns' and the rows' factors are multiplied by the standard deviations of the values that they divide (unbiased; 1
 * over a single value; held within 1e-3 and 1e3). Of all steps, and none, the last one counts whose deviations are most even.
 */
export function balanceColumns(
  x: ArrayLike<number>,
  rows: number,
  columns: number,
  steps: number,
): Float64Array {
  const rowFactor = new Float64Array(rows).fill(1)
  const columnFactor = new Float64Array(columns).fill(1)
  const deviation = (lines: number, along: number, at: (line: number, i: number) => number) =>
    Float64Array.from({ length: lines }, (_, line) => {
      if (along < 2) return 1
      let sum = 0
      for (let i = 0; i < along; i++) sum += at(line, i)
      let squares = 0
      for (let i = 0; i < along; i++) squares += (at(line, i) - sum / along) ** 2
      return Math.sqrt(squares / (along - 1))
    })
  const at = (r: number, c: number) => x[r * columns + c]! / columnFactor[c]! / rowFactor[r]!
  const ofColumns = () => deviation(columns, rows, (c, r) => at(r, c))
  const ofRows = () => deviation(rows, columns, (r, c) => at(r, c))
  const advance = (factors: Float64Array, deviations: Float64Array) =>
    deviations.forEach((s, i) => (factors[i] = clamp(factors[i]! * clamp(s, 1e-3, 1e3), LEAST, MOST)))
  const uneven = (deviations: Float64Array) =>
    deviations.reduce((a, b) => Math.max(a, b), 0) /
    Math.max(
      1e-8,
      deviations.reduce((a, b) => Math.min(a, b), Infinity),
    )
  const imbalance = () => uneven(ofColumns()) + uneven(ofRows())
  let least = imbalance()
  let best = columnFactor.slice()
  for (let step = 0; step < steps; step++) {
    advance(columnFactor, ofColumns())
    advance(rowFactor, ofRows())
    const found = imbalance()
    if (found > least) continue
    least = found
    best = columnFactor.slice()
  }
  return best
}
