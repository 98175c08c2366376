import type { LengthRow } from './length-table.ts'

/** Llama-2-7B's average at 4k, the bar of the RULER paper (https://arxiv.org/abs/2404.06654, table 3). */
export const EFFECTIVE_LENGTH_THRESHOLD = 85.6

export interface RulerSummary {
  /** the largest length whose average is above the threshold; null if none is */
  readonly effectiveLength: number | null
  /** weighted mean over lengths, weights 1..n with the length: stresses long contexts */
  readonly increasing: number
  /** the same with weights n..1: stresses short contexts */
  readonly decreasing: number
  /** plain mean over lengths */
  readonly mean: number
}

/**
 * RULER's figures over several lengths. They are defined for all 13 tasks only, so any incomplete row gives null:
 * a mean over fewer tasks must not be held against the threshold.
 *
 * @param rows from `lengthTable`, shortest first
 */
export function summarizeLengths(
  rows: readonly LengthRow[],
  threshold = EFFECTIVE_LENGTH_THRESHOLD,
): RulerSummary | null {
  const averages = rows.flatMap((row) => (row.complete && row.average !== null ? [row.average] : []))
  if (averages.length === 0 || averages.length !== rows.length) return null
  const count = averages.length
  const reached = averages.findLastIndex((average) => average > threshold)
  return {
    effectiveLength: rows[reached]?.length ?? null,
    increasing: weightedMean(averages, (index) => index + 1),
    decreasing: weightedMean(averages, (index) => count - index),
    mean: weightedMean(averages, () => 1),
  }
}

/** Mean of the values with a weight per index. */
function weightedMean(values: readonly number[], weightAt: (index: number) => number): number {
  let total = 0
  let weights = 0
  for (const [index, value] of values.entries()) {
    total += value * weightAt(index)
    weights += weightAt(index)
  }
  return total / weights
}
