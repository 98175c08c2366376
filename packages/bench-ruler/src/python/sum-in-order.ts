/** `sum(values)` of CPython up to 3.11: left to right, no compensation. */
export function sumInOrder(values: readonly number[]): number {
  let total = 0
  for (const value of values) total += value
  return total
}
