/** Area under the standard normal density left of x, by the series around 0 (double precision for |x| < 6). */
function normalBelow(x: number): number {
  let term = x
  let sum = x
  for (let n = 1; n < 200 && Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
    term *= (x * x) / (2 * n + 1)
    sum += term
  }
  return 0.5 + (sum * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI)
}

/** The x with `share` of a standard normal below it, 0 < share < 1. */
function normalQuantile(share: number): number {
  let low = -6
  let high = 6
  for (let i = 0; i < 80; i++) {
    const middle = (low + high) / 2
    if (normalBelow(middle) < share) low = middle
    else high = middle
  }
  return (low + high) / 2
}

/** 2^bits ascending levels in [-1, 1] at the quantiles of a normal distribution: what a group of bell-shaped values uses evenly. */
export function normalFloatLevels(bits: number): number[] {
  const count = 2 ** bits
  const quantiles = Array.from({ length: count }, (_, i) => normalQuantile((i + 0.5) / count))
  const top = quantiles[count - 1]!
  // Exactly symmetric, so that bell-shaped values around 0 gain no bias.
  return quantiles.map((q, i) => (i < count / 2 ? -(quantiles[count - 1 - i]! / top) : q / top))
}
