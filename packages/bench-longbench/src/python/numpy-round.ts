/** `numpy.rint`: the nearest integer, ties to even. */
function rint(value: number): number {
  const floor = Math.floor(value)
  const rest = value - floor
  if (rest < 0.5) return floor
  if (rest > 0.5) return floor + 1
  return floor % 2 === 0 ? floor : floor + 1
}

/**
 * `round(x, digits)` where x is a `numpy.float64`, as the per-bucket means are: numpy multiplies, rounds to the nearest
 * integer and divides, so a product that lands on a tie rounds to even although the exact value does not lie there.
 */
export function numpyRound(value: number, digits: number): number {
  const scale = 10 ** digits
  return rint(value * scale) / scale
}
