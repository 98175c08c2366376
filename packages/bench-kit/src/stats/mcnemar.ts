/**
 * Exact two-sided McNemar test: how likely a split at least as uneven is when both sides are equally good.
 * @param onlyA pairs that only A got right
 * @param onlyB pairs that only B got right
 */
export function mcnemarExact(onlyA: number, onlyB: number): number {
  const total = onlyA + onlyB
  if (total === 0) return 1
  let tail = 0
  for (let k = 0; k <= Math.min(onlyA, onlyB); k++) tail += Math.exp(logChoose(total, k) - total * Math.LN2)
  return Math.min(1, 2 * tail)
}

function logChoose(n: number, k: number): number {
  let sum = 0
  for (let i = 1; i <= k; i++) sum += Math.log(n - k + i) - Math.log(i)
  return sum
}
