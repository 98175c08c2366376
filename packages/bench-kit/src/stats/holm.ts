/** p values adjusted for being looked at together (Holm 1979): at most 5 % chance of any false one among those below 0.05. */
export function holm(values: readonly number[]): number[] {
  const order = values.map((p, at) => ({ p, at })).sort((a, b) => a.p - b.p)
  const adjusted = Array.from(values)
  let largest = 0
  for (const [rank, { p, at }] of order.entries()) {
    largest = Math.max(largest, Math.min(1, p * (values.length - rank)))
    adjusted[at] = largest
  }
  return adjusted
}
