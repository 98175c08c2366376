/**
 * Mean squared error of codes of so many bits for normal values of variance 1: those of the best levels (Max 1960); of 8 and
 * 16 bits sqrt(3) pi / 2 * 4^-bits (Panter and Dite 1951), which bounds what is stored with exact elements.
 */
const errors: Readonly<Record<number, number>> = {
  1: 0.3634,
  2: 0.1175,
  3: 0.03454,
  4: 0.009497,
}

/** The same for any number of bits, halves included: what keys and values of different widths have on average. */
export function codeDistortion(bits: number): number {
  const known = errors[bits]
  if (known !== undefined) return known
  if (bits > 4) return ((Math.sqrt(3) * Math.PI) / 2) * 4 ** -bits
  const [low, high] = [Math.floor(bits), Math.ceil(bits)]
  const at = (width: number) => Math.log(width === 0 ? 1 : codeDistortion(width))
  return Math.exp(at(low) + (bits - low) * (at(high) - at(low)))
}
