/** Seeded numbers, roughly normal, the same everywhere. */
export function randomValues(count: number, seed: number, spread = 1): Float32Array {
  let state = seed >>> 0
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    const mixed = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d)
    return ((mixed ^ (mixed >>> 13)) >>> 0) / 2 ** 32
  }
  return Float32Array.from({ length: count }, () => spread * (uniform() + uniform() + uniform() - 1.5) * 2)
}
