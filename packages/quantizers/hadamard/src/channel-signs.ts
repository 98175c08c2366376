const STATE = 624
const SHIFT = 397

/** The first `count` outputs of the 32-bit Mersenne Twister (MT19937) of this seed. */
function twister(seed: number, count: number): Uint32Array {
  const state = new Uint32Array(STATE)
  state[0] = seed
  for (let i = 1; i < STATE; i++) {
    const last = state[i - 1]! ^ (state[i - 1]! >>> 30)
    state[i] = Math.imul(1812433253, last) + i
  }
  for (let i = 0; i < STATE; i++) {
    const joined = (state[i]! & 0x80000000) | (state[(i + 1) % STATE]! & 0x7fffffff)
    state[i] = state[(i + SHIFT) % STATE]! ^ (joined >>> 1) ^ (joined & 1 ? 0x9908b0df : 0)
  }
  return state.slice(0, count).map((word) => {
    let y = word
    y ^= y >>> 11
    y ^= (y << 7) & 0x9d2c5680
    y ^= (y << 15) & 0xefc60000
    return y ^ (y >>> 18)
  })
}

/** Signs of channels, the same for every layer and head: bit 23 of the generator's outputs, seed 0x9E3779B9. A shorter head takes a prefix. */
export const channelSigns = (headDim: number): (1 | -1)[] =>
  Array.from(twister(0x9e3779b9, headDim), (word) => ((word >>> 23) & 1 ? -1 : 1))
