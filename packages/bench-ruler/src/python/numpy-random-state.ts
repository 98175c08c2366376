import { expected } from '@qpkv/spec'
import { MersenneTwister } from './mersenne-twister.ts'

/**
 * The part of numpy's legacy `RandomState` that RULER uses: `np.random.seed(int)` and `np.random.randint`.
 * The stream of `RandomState` is frozen by numpy's compatibility policy (NEP 19).
 */
export class NumpyRandomState {
  readonly #twister = new MersenneTwister()

  /** @param seed 0 to 2^32 - 1 */
  constructor(seed: number) {
    if (!Number.isInteger(seed) || seed < 0 || seed > 0xffffffff) {
      throw expected('an integer from 0 to 2^32 - 1', 'numpy seed', seed)
    }
    this.#twister.seedWithWord(seed)
  }

  /**
   * `np.random.randint(low, high)`; `high` is excluded. Masked rejection on 32-bit words: each draw is cut to
   * the bits of the largest offset and drawn again while it is above it. A single-valued range draws nothing.
   */
  randomInteger(low: number, high: number): number {
    const largest = high - 1 - low
    if (!Number.isInteger(largest) || largest < 0 || largest > 0xffffffff) {
      throw expected('integers low < high with a range of at most 2^32', 'randint', `(${low}, ${high})`)
    }
    if (largest === 0) return low
    const mask = 0xffffffff >>> Math.clz32(largest)
    let drawn = (this.#twister.nextWord() & mask) >>> 0
    while (drawn > largest) drawn = (this.#twister.nextWord() & mask) >>> 0
    return low + drawn
  }
}
