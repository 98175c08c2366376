import { binomialCdf, crossing } from './binomial.ts'
import { Z95, type Interval } from './intervals.ts'

/**
 * Exact two-sided McNemar test: how likely a split at least as uneven is when both sides are equally good.
 * @param onlyA pairs that only A got right
 * @param onlyB pairs that only B got right
 */
export const mcnemarExact = (onlyA: number, onlyB: number): number =>
  onlyA + onlyB === 0 ? 1 : Math.min(1, 2 * binomialCdf(Math.min(onlyA, onlyB), onlyA + onlyB, 0.5))

/**
 * 95 % interval of the difference of two shares, B - A, over `total` pairs: the hull of Tango's score interval (1998), which holds at few pairs,
 * and of Clopper and Pearson's for the share of B among the pairs that differ, so that it never leaves 0 out where McNemar's test does not.
 */
export function pairedShareInterval(onlyA: number, onlyB: number, total: number): Interval {
  const score = (delta: number) => tangoScore(onlyA, onlyB, total, delta)
  const [low, high] = [crossing(score, Z95, -1, 1), crossing(score, -Z95, -1, 1)]
  const exact = conditionalInterval(onlyA, onlyB, total)
  return { low: Math.min(low, exact.low), high: Math.max(high, exact.high) }
}

/** How far the counts lie from a difference, in standard errors under it; falls with the difference. */
function tangoScore(onlyA: number, onlyB: number, total: number, delta: number): number {
  const b = -onlyA - onlyB + (2 * total - onlyB + onlyA) * delta
  const c = -onlyA * delta * (1 - delta)
  const chance = (Math.sqrt(Math.max(0, b * b - 8 * total * c)) - b) / (4 * total)
  const spread = Math.sqrt(Math.max(1e-12, total * (2 * chance + delta * (1 - delta))))
  return (onlyB - onlyA - total * delta) / spread
}

/** The pairs that differ are taken as they came. */
function conditionalInterval(onlyA: number, onlyB: number, total: number): Interval {
  const differ = onlyA + onlyB
  if (differ === 0) return { low: 0, high: 0 }
  const low = onlyB === 0 ? 0 : crossing((chance) => binomialCdf(onlyB - 1, differ, chance), 0.975)
  const high = onlyB === differ ? 1 : crossing((chance) => binomialCdf(onlyB, differ, chance), 0.025)
  const scale = (share: number) => ((2 * share - 1) * differ) / total
  return { low: scale(low), high: scale(high) }
}
