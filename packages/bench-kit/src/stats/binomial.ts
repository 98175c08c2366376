/** ln of n choose k. */
function logChoose(n: number, k: number): number {
  let sum = 0
  for (let i = 1; i <= k; i++) sum += Math.log(n - k + i) - Math.log(i)
  return sum
}

/** How likely at most `right` of `total` are right where each is with this chance. */
export function binomialCdf(right: number, total: number, chance: number): number {
  if (right >= total || chance <= 0) return 1
  if (chance >= 1) return 0
  let sum = 0
  for (let k = 0; k <= right; k++)
    sum += Math.exp(logChoose(total, k) + k * Math.log(chance) + (total - k) * Math.log1p(-chance))
  return Math.min(1, sum)
}

/** Where a falling function of 0 to 1 crosses a value. */
export function crossing(falling: (at: number) => number, value: number, low = 0, high = 1): number {
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2
    if (falling(middle) > value) low = middle
    else high = middle
  }
  return (low + high) / 2
}
