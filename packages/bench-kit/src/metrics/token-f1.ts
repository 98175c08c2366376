/**
 * F1 of two token lists by multiset overlap; 0 when nothing overlaps, also for two empty lists.
 * The order of the operations is the official scorer's, so that results agree to the last bit.
 */
export function tokenF1(prediction: readonly string[], reference: readonly string[]): number {
  const left = new Map<string, number>()
  for (const token of reference) left.set(token, (left.get(token) ?? 0) + 1)
  let same = 0
  for (const token of prediction) {
    const count = left.get(token) ?? 0
    if (count === 0) continue
    left.set(token, count - 1)
    same++
  }
  if (same === 0) return 0
  const precision = same / prediction.length
  const recall = same / reference.length
  return (2 * precision * recall) / (precision + recall)
}
