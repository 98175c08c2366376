import { pythonRound } from '@qpkv/bench-kit'

/**
 * `round(x, digits)` where x is a `numpy.float64`, as the per-bucket means are: numpy multiplies, rounds to the nearest
 * integer and divides, so a product that lands on a tie rounds to even although the exact value does not lie there.
 */
export function numpyRound(value: number, digits: number): number {
  const scale = 10 ** digits
  return pythonRound(value * scale) / scale
}
