import { crossing } from './binomial.ts'
import { mean, type Interval } from './intervals.ts'

/** Value that Student's t exceeds with a chance of 2.5 %. Degrees of freedom may be fractions. */
export const studentQuantile = (degrees: number): number =>
  crossing((t) => studentTail(t, degrees), 0.025, 0, 700)

/** P(T > t) for t >= 0, by Simpson's rule over the angle: t = sqrt(d) tan(angle). */
function studentTail(t: number, degrees: number): number {
  const steps = 400
  const end = Math.PI / 2
  const density = (angle: number) => Math.cos(angle) ** (degrees - 1)
  const areaFrom = (start: number) => {
    const width = (end - start) / steps
    let sum = density(start) + density(end)
    for (let i = 1; i < steps; i++) sum += density(start + i * width) * (i % 2 === 1 ? 4 : 2)
    return (sum * width) / 3
  }
  return areaFrom(Math.atan(t / Math.sqrt(degrees))) / (2 * areaFrom(0))
}

const variance = (values: readonly number[]): number => {
  const middle = mean(values)
  return values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1)
}

/** A variance below it is that of rounding equal values. */
const ROUNDING = 1e-24

/**
 * Mean over strata (datasets, tasks) of the mean within each, with Student's 95 % interval, which holds for few values; degrees of freedom
 * by Satterthwaite. Of one stratum it is the usual interval of a mean. A stratum of one value has no spread of its own and takes the others'.
 * Where no value differs from the others of its stratum, the interval leaves room for what so few values would not have shown, up to `bounds`.
 */
export function stratifiedMean(
  strata: readonly (readonly number[])[],
  bounds?: Interval,
): Interval & {
  readonly mean: number
  /** Two-sided p of a mean of 0. */
  readonly p: number
} {
  const groups = strata.filter((values) => values.length > 0)
  const whole = mean(groups.map(mean))
  const spreads = groups.filter((values) => values.length > 1)
  if (spreads.length === 0) return { mean: whole, low: NaN, high: NaN, p: NaN }
  const typical = mean(spreads.map(variance))
  const parts = groups.map((values) => ({
    share: (values.length > 1 ? variance(values) : typical) / values.length / groups.length ** 2,
    degrees: Math.max(1, values.length - 1),
  }))
  const total = parts.reduce((sum, { share }) => sum + share, 0)
  if (total < ROUNDING) return withoutSpread(whole, groups.flat().length, bounds)
  const degrees = total ** 2 / parts.reduce((sum, part) => sum + part.share ** 2 / part.degrees, 0)
  const half = studentQuantile(degrees) * Math.sqrt(total)
  const p = 2 * studentTail(Math.abs(whole) / Math.sqrt(total), degrees)
  return { mean: whole, low: whole - half, high: whole + half, p }
}

/** A share of values that none of `count` shows with a chance of 2.5 % may lie anywhere within the bounds; p by the signs. */
function withoutSpread(whole: number, count: number, bounds: Interval = { low: whole, high: whole }) {
  const unseen = 1 - 0.025 ** (1 / count)
  return {
    mean: whole,
    low: whole - unseen * Math.max(0, whole - bounds.low),
    high: whole + unseen * Math.max(0, bounds.high - whole),
    p: whole === 0 ? 1 : Math.min(1, 2 * 0.5 ** count),
  }
}

/**
 * How much the answers of one text say the same: the variance of the mean with texts as they are, over that of answers that were independent.
 * 1 where every text has one answer; at least 1.
 */
export function designEffect(texts: readonly (readonly number[])[]): number {
  const answers = texts.flat()
  const spread = variance(answers)
  if (texts.length < 2 || answers.length === texts.length || !(spread > 0)) return 1
  const middle = mean(answers)
  // The ratio estimator's variance: residual sums of whole texts.
  const residuals = texts.map((values) => values.reduce((sum, value) => sum + value - middle, 0))
  const clustered =
    (texts.length / (texts.length - 1)) * residuals.reduce((sum, value) => sum + value ** 2, 0)
  return Math.max(1, clustered / (answers.length * spread))
}
