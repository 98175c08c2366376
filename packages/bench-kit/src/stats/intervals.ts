import { SeededRandom } from '../random.ts'

/** Both ends of a confidence interval. */
export interface Interval {
  readonly low: number
  readonly high: number
}

/** Standard errors of a 95 % interval. */
export const Z95 = 1.959963984540054

/**
 * Wilson's 95 % interval of a share: `right` of `total` answers; both divided by the design effect where answers come in clusters. [0, 1]
 * without answers.
 * E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 1927.
 */
export function wilsonInterval(right: number, total: number, z = Z95): Interval {
  if (total === 0) return { low: 0, high: 1 }
  const share = right / total
  const spread = z * Math.sqrt((share * (1 - share)) / total + (z * z) / (4 * total * total))
  const center = share + (z * z) / (2 * total)
  const scale = 1 + (z * z) / total
  return {
    low: right === 0 ? 0 : Math.max(0, (center - spread) / scale),
    high: right === total ? 1 : Math.min(1, (center + spread) / scale),
  }
}

/** Arithmetic mean; NaN of nothing. */
export const mean = (values: readonly number[]): number =>
  values.length === 0 ? NaN : values.reduce((sum, value) => sum + value, 0) / values.length

/** The middle value, or the mean of the two; NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const half = sorted.length >> 1
  const upper = sorted[half]
  if (upper === undefined) return NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[half - 1] ?? upper) + upper) / 2
}

/** Defaults: 10,000 resamples, seed 1, 95 %. */
export interface BootstrapOptions {
  readonly resamples?: number
  readonly seed?: number
  readonly confidence?: number
}

/** Percentile bootstrap interval of a mean. For paired data pass the differences, so that pairs stay together. */
export function bootstrapMean(values: readonly number[], options: BootstrapOptions = {}): Interval {
  const { resamples = 10_000, seed = 1, confidence = 0.95 } = options
  if (values.length === 0) return { low: NaN, high: NaN }
  const random = new SeededRandom(seed)
  const means = new Float64Array(resamples)
  for (let i = 0; i < resamples; i++) {
    let sum = 0
    for (let j = 0; j < values.length; j++) sum += values[random.below(values.length)] ?? 0
    means[i] = sum / values.length
  }
  means.sort()
  const at = (share: number) => means[Math.round(share * (resamples - 1))] ?? NaN
  return { low: at((1 - confidence) / 2), high: at((1 + confidence) / 2) }
}
