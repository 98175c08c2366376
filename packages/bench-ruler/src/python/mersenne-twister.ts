const SIZE = 624
const SHIFT = 397
const UPPER_BIT = 0x80000000
const LOWER_BITS = 0x7fffffff
const MATRIX_A = 0x9908b0df

/**
 * MT19937, the generator under CPython's `random` and numpy's `RandomState`.
 * Matsumoto and Nishimura 1998, https://doi.org/10.1145/272991.272995.
 */
export class MersenneTwister {
  readonly #state = new Uint32Array(SIZE) // [624], 32-bit words
  #position = SIZE

  /** Seed with one 32-bit word (Knuth's multiplier), as numpy seeds an integer. */
  seedWithWord(seed: number): void {
    const state = this.#state
    state[0] = seed >>> 0
    for (let i = 1; i < SIZE; i += 1) {
      const previous = state[i - 1] ?? 0
      state[i] = Math.imul(1812433253, previous ^ (previous >>> 30)) + i
    }
    this.#position = SIZE
  }

  /** Seed with a list of 32-bit words, as CPython seeds an integer of any size. */
  seedWithWords(key: readonly number[]): void {
    this.seedWithWord(19650218)
    const state = this.#state
    let i = 1
    let j = 0
    const mixed = (multiplier: number): number => {
      const previous = state[i - 1] ?? 0
      return (state[i] ?? 0) ^ Math.imul(previous ^ (previous >>> 30), multiplier)
    }
    const advance = (): void => {
      i += 1
      if (i >= SIZE) {
        state[0] = state[SIZE - 1] ?? 0
        i = 1
      }
    }
    for (let k = Math.max(SIZE, key.length); k > 0; k -= 1) {
      state[i] = mixed(1664525) + (key[j] ?? 0) + j
      advance()
      j = (j + 1) % key.length
    }
    for (let k = SIZE - 1; k > 0; k -= 1) {
      state[i] = mixed(1566083941) - i
      advance()
    }
    state[0] = UPPER_BIT
  }

  /** The next 32-bit word, 0 to 2^32 - 1. */
  nextWord(): number {
    if (this.#position >= SIZE) this.#refill()
    let word = this.#state[this.#position] ?? 0
    this.#position += 1
    word ^= word >>> 11
    word ^= (word << 7) & 0x9d2c5680
    word ^= (word << 15) & 0xefc60000
    word ^= word >>> 18
    return word >>> 0
  }

  #refill(): void {
    const state = this.#state
    for (let i = 0; i < SIZE; i += 1) {
      const joined = ((state[i] ?? 0) & UPPER_BIT) | ((state[(i + 1) % SIZE] ?? 0) & LOWER_BITS)
      const twisted = (state[(i + SHIFT) % SIZE] ?? 0) ^ (joined >>> 1)
      state[i] = (joined & 1) === 0 ? twisted : twisted ^ MATRIX_A
    }
    this.#position = 0
  }
}
