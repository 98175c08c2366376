import { nearestLevel, roundF16 } from '@qpkv/reference'

/*
 * The original's simulated quantization (SqueezeAILab/KVQuant), as an oracle for its recorded
 * numbers: one codebook, thresholds from percentiles, outliers exact. [rows, columns] are
 * tokens and channels of all heads side by side.
 */

/** Linear-interpolated percentile of sorted values, 0 <= share <= 1, as numpy computes it. */
export function percentile(sorted: ArrayLike<number>, share: number): number {
  const at = share * (sorted.length - 1)
  const below = Math.floor(at)
  const above = Math.min(sorted.length - 1, below + 1)
  return sorted[below]! + (sorted[above]! - sorted[below]!) * (at - below)
}

export interface NuqResult {
  readonly values: Float32Array
  readonly outliers: Uint8Array
}

/** Lower and upper thresholds of every channel from calibration activations: the shares (1 - sparsity) / 2 on either side. */
export function channelThresholds(x: Float32Array, rows: number, columns: number, sparsity: number) {
  const share = 1 - (1 - sparsity) / 2
  const lower = new Float32Array(columns)
  const upper = new Float32Array(columns)
  for (let c = 0; c < columns; c++) {
    const channel = Float64Array.from({ length: rows }, (_, r) => x[r * columns + c]!).sort()
    lower[c] = percentile(channel, 1 - share)
    upper[c] = percentile(channel, share)
  }
  return { lower, upper }
}

/** Keys: thresholds per channel, rounded to f16; what lies strictly outside is exact. */
export function quantizeKeysNuq(
  x: Float32Array,
  columns: number,
  codebook: readonly number[],
  thresholds: { lower: Float32Array; upper: Float32Array },
  sparse: boolean,
): NuqResult {
  const outliers = new Uint8Array(x.length)
  const values = x.map((v, i) => {
    const low = roundF16(thresholds.lower[i % columns]!)
    const high = roundF16(thresholds.upper[i % columns]!)
    if (sparse && (v < low || v > high)) {
      outliers[i] = 1
      return v
    }
    // In half precision, as the thresholds.
    const center = roundF16(roundF16(high + low) / 2)
    const half = roundF16(roundF16(high - low) / 2)
    return codebook[nearestLevel(codebook, (v - center) / half)]! * half + center
  })
  return { values, outliers }
}

/**
 * Values: thresholds of every token from its own quantiles, inclusive; the range is that
 * of the others, outliers replaced by the median.
 */
export function quantizeValuesNuq(
  x: Float32Array,
  columns: number,
  codebook: readonly number[],
  sparsity: number,
  sparse: boolean,
): NuqResult {
  const share = 1 - (1 - sparsity) / 2
  const outliers = new Uint8Array(x.length)
  const values = new Float32Array(x.length)
  for (let from = 0; from < x.length; from += columns) {
    const row = x.slice(from, from + columns)
    const sorted = row.slice().sort()
    const low = percentile(sorted, 1 - share)
    const high = percentile(sorted, share)
    // As torch.median: the lower of the two middle values.
    const median = sorted[Math.floor((columns - 1) / 2)]!
    const marks = row.map((v) => (sparse && (v <= low || v >= high) ? 1 : 0))
    const inner = row.map((v, c) => (marks[c] === 1 ? median : v))
    const least = inner.reduce((a, b) => Math.min(a, b), Infinity)
    const most = inner.reduce((a, b) => Math.max(a, b), -Infinity)
    const center = (most + least) / 2
    const half = (most - least) / 2
    row.forEach((v, c) => {
      outliers[from + c] = marks[c]!
      values[from + c] =
        marks[c] === 1 ? v : codebook[nearestLevel(codebook, (inner[c]! - center) / half)]! * half + center
    })
  }
  return { values, outliers }
}
