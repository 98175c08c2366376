import type { KeyStorage, ValueStorage } from '@qpkv/spec'

/** How a tensor is stored, as far as every token is concerned; these fields of a layer's `keys` or `values`. */
export type StoredForm = Pick<KeyStorage | ValueStorage, 'transform' | 'signs'>

/**
 * The rotation of one row, in place: y[c] = sum over j of x[j] (-1)^popcount(c & j) / sqrt(run) within every run of as
 * many channels as the largest power of two that divides their number. Its own inverse.
 */
export function rotateRow(row: Float64Array): void {
  const run = row.length & -row.length
  for (let half = 1; half < run; half *= 2)
    for (let c = 0; c < row.length; c++) {
      if ((c & half) !== 0) continue
      const [a, b] = [row[c]!, row[c + half]!]
      row[c] = a + b
      row[c + half] = a - b
    }
  for (let c = 0; c < row.length; c++) row[c]! /= Math.sqrt(run)
}

/** [tokens, headDim] of one head as they are stored. `means` [headDim]: of the kept keys; left out where none are subtracted. */
export function transformRows(
  values: Float32Array,
  headDim: number,
  { transform, signs }: StoredForm,
  means?: ArrayLike<number>,
): Float32Array {
  return mapRows(values, headDim, (row) => {
    if (means) for (let c = 0; c < headDim; c++) row[c] = Math.fround(row[c]! - means[c]!)
    if (!transform.endsWith('hadamard')) return
    if (signs) for (let c = 0; c < headDim; c++) row[c]! *= signs[c]!
    rotateRow(row)
  })
}

/** What transformRows() was given, from what it gave. */
export function restoreRows(
  values: Float32Array,
  headDim: number,
  { transform, signs }: StoredForm,
  means?: ArrayLike<number>,
): Float32Array {
  return mapRows(values, headDim, (row) => {
    if (transform.endsWith('hadamard')) {
      rotateRow(row)
      if (signs) for (let c = 0; c < headDim; c++) row[c]! *= signs[c]!
    }
    if (means) for (let c = 0; c < headDim; c++) row[c]! += means[c]!
  })
}

/** [headDim]: the mean of [tokens, headDim], sums in double; 0 where there are no tokens. */
export function meanRow(values: Float32Array, headDim: number): Float32Array {
  const sum = new Float64Array(headDim)
  values.forEach((x, i) => (sum[i % headDim]! += x))
  return Float32Array.from(sum, (x) => (values.length === 0 ? 0 : x / (values.length / headDim)))
}

function mapRows(values: Float32Array, headDim: number, change: (row: Float64Array) => void): Float32Array {
  const out = new Float32Array(values.length)
  for (let first = 0; first < values.length; first += headDim) {
    const row = Float64Array.from(values.subarray(first, first + headDim))
    change(row)
    out.set(row, first)
  }
  return out
}
