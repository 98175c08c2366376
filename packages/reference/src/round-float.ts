import type { Element } from '@qpkv/spec'

const float = new Float32Array(1)
const word = new Uint32Array(float.buffer)

/** Nearest bfloat16, ties to even, as a float. */
export function roundBf16(value: number): number {
  float[0] = value
  const bits = word[0]!
  if ((bits & 0x7f800000) === 0x7f800000) return float[0]
  word[0] = (bits + 0x7fff + ((bits >>> 16) & 1)) & 0xffff0000
  return float[0]
}

/** Nearest IEEE half, ties to even, as a float; beyond 65504 + half a step: infinity. */
export function roundF16(value: number): number {
  const x = Math.fround(value)
  const size = Math.abs(x)
  if (!(size < 65520)) return Number.isNaN(x) ? x : Math.sign(x) * Infinity
  // Half has 11 significant bits; below 2^-14 its step stays 2^-24.
  const step = size < 2 ** -14 ? 2 ** -24 : 2 ** (Math.floor(Math.log2(size)) - 10)
  return roundHalfEven(x / step) * step
}

/** Rounds to the nearest integer, ties to even. Exact for |value| < 2^52. */
export function roundHalfEven(value: number): number {
  const below = Math.floor(value)
  const rest = value - below
  if (rest < 0.5) return below
  if (rest > 0.5) return below + 1
  return below % 2 === 0 ? below : below + 1
}

/** Rounds to what `element` can hold. */
export const roundTo = (element: Element, value: number): number =>
  element === 'f32' ? Math.fround(value) : element === 'f16' ? roundF16(value) : roundBf16(value)
