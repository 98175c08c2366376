/**
 * Python's `round(value, 2)`: the exact binary value decides, ties go to the even digit. JavaScript's `toFixed`
 * agrees but for ties, which it rounds up (12.125 gives 12.13, Python 12.12).
 */
export function roundToCents(value: number): number {
  const eighths = value * 8
  const isTie = Number.isInteger(eighths) && eighths % 2 !== 0
  if (!isTie) return Number(value.toFixed(2))
  const lower = Math.floor(value * 100)
  return (lower % 2 === 0 ? lower : lower + 1) / 100
}

/** `sum(values)` of CPython up to 3.11: left to right, no compensation. */
export function sumInOrder(values: readonly number[]): number {
  let total = 0
  for (const value of values) total += value
  return total
}
