/** Sum of sizes (1) or Euclidean norm (2). */
export function normOf(x: ArrayLike<number>, norm: 1 | 2): number {
  let sum = 0
  for (let i = 0; i < x.length; i++) sum += norm === 1 ? Math.abs(x[i]!) : x[i]! ** 2
  return norm === 1 ? sum : Math.sqrt(sum)
}
