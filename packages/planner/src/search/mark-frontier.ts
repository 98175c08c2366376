import type { JudgedSpec } from '../plan-result.ts'

/** By bytes ascending, with those marked that no other beats in fewer or equal bytes. */
export function markFrontier(rows: readonly JudgedSpec[]): JudgedSpec[] {
  let best = -Infinity
  return [...rows]
    .sort((a, b) => a.bytes - b.bytes || b.quality.points - a.quality.points)
    .map((row) => {
      const onFrontier = row.quality.points > best
      if (onFrontier) best = row.quality.points
      return { ...row, onFrontier }
    })
}
