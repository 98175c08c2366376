/** Sum of products, in double. */
export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}

/** exp(x) over its sum, in double. */
export function softmax(logits: ArrayLike<number>): Float64Array {
  const x = Float64Array.from(logits)
  const top = x.reduce((a, b) => Math.max(a, b), -Infinity)
  const weights = x.map((logit) => Math.exp(logit - top))
  const sum = weights.reduce((a, b) => a + b, 0)
  return weights.map((w) => w / sum)
}

/** Of the sample: divides by one less than there are. */
export function deviation(x: ArrayLike<number>): number {
  const mean = dot(x, new Float64Array(x.length).fill(1)) / x.length
  let squares = 0
  for (let i = 0; i < x.length; i++) squares += (x[i]! - mean) ** 2
  return Math.sqrt(squares / (x.length - 1))
}
