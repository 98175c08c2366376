import { expected } from '@qpkv/spec'
import { MersenneTwister } from './mersenne-twister.ts'

const WORD = 2 ** 32

/** What `sample`, `choice` and `choices` draw from: a list, a text, or anything with a length and `at`. */
export interface Sequence<T> {
  readonly length: number
  at(index: number): T | undefined
}

/** Python's `range(length)` as a plain list of 0 .. length - 1. */
export function rangeSequence(length: number): number[] {
  return Array.from({ length }, (_, index) => index)
}

/**
 * CPython's `random.Random`, draw for draw: the same seed and the same calls in the same order give the same
 * values (checked against CPython 3.11; the algorithms of `randrange`, `sample`, `shuffle` and `choices` have
 * been these since 3.2, `sample`'s `randbelow` order since 3.0).
 */
export class PythonRandom {
  readonly #twister = new MersenneTwister()

  /** @param seed a non-negative or negative integer; CPython seeds with its absolute value */
  constructor(seed: number | bigint) {
    this.seed(seed)
  }

  seed(seed: number | bigint): void {
    let rest = BigInt(seed)
    if (rest < 0n) rest = -rest
    const words: number[] = []
    do {
      words.push(Number(rest & 0xffffffffn))
      rest >>= 32n
    } while (rest > 0n)
    this.#twister.seedWithWords(words)
  }

  /** A float in [0, 1) with 53 random bits. */
  random(): number {
    const high = this.#twister.nextWord() >>> 5
    const low = this.#twister.nextWord() >>> 6
    return (high * 67108864 + low) / 9007199254740992
  }

  /** An integer of `bits` random bits, 1 to 32 in one word. */
  getRandomBits(bits: number): bigint {
    if (bits < 0) throw expected('a number of bits of 0 or more', 'getRandomBits', bits)
    let result = 0n
    // CPython fills the words from the least significant one; the last word gives its upper bits.
    for (let shift = 0; shift < bits; shift += 32) {
      const wanted = Math.min(32, bits - shift)
      result |= BigInt(this.#twister.nextWord() >>> (32 - wanted)) << BigInt(shift)
    }
    return result
  }

  /** CPython's `_randbelow`: uniform in [0, limit), by rejection; `limit` up to 2^53. */
  randomBelow(limit: number): number {
    if (!Number.isSafeInteger(limit) || limit < 1) {
      throw expected('an integer from 1 to 2^53 - 1', 'randomBelow', limit)
    }
    const bits = bitLength(limit)
    let drawn = this.#bitsAsNumber(bits)
    while (drawn >= limit) drawn = this.#bitsAsNumber(bits)
    return drawn
  }

  /** `random.randrange(start, stop, step)`. */
  randomRange(start: number, stop: number, step = 1): number {
    const count = step === 0 ? 0 : Math.ceil((stop - start) / step)
    if (!(count > 0)) {
      throw expected('a range that is not empty', 'randomRange', `(${start}, ${stop}, ${step})`)
    }
    return start + step * this.randomBelow(count)
  }

  /** `random.randint(low, high)`; both ends included. */
  randomInteger(low: number, high: number): number {
    return this.randomRange(low, high + 1)
  }

  choice<T>(sequence: Sequence<T>): T {
    if (sequence.length === 0) throw expected('a sequence that is not empty', 'choice', '[]')
    return sequence.at(this.randomBelow(sequence.length)) as T
  }

  /** `random.choices(population, k=count)`, or with `cum_weights` when `cumulativeWeights` is given. */
  choices<T>(population: Sequence<T>, count: number, cumulativeWeights?: readonly number[]): T[] {
    const size = population.length
    if (cumulativeWeights === undefined) {
      return Array.from({ length: count }, () => population.at(Math.floor(this.random() * size)) as T)
    }
    const total = cumulativeWeights.at(-1) ?? 0
    if (cumulativeWeights.length !== size || !(total > 0) || !Number.isFinite(total)) {
      throw expected(`${size} cumulative weights with a finite total above 0`, 'choices', total)
    }
    const draw = (): T => population.at(bisectRight(cumulativeWeights, this.random() * total, size - 1)) as T
    return Array.from({ length: count }, draw)
  }

  /** `random.sample(population, count)`: draws without replacement, in the order drawn. */
  sample<T>(population: Sequence<T>, count: number): T[] {
    const size = population.length
    if (count < 0 || count > size) throw expected(`a count from 0 to ${size}`, 'sample', count)
    // CPython compares the memory of a list of the population with that of a set of the picks.
    const setSize = 21 + (count > 5 ? 4 ** Math.ceil(pythonLog(count * 3, 4)) : 0)
    return size <= setSize ? this.#sampleFromPool(population, count) : this.#sampleBySet(population, count)
  }

  /** `random.shuffle(list)`, in place. */
  shuffle<T>(list: T[]): void {
    for (let i = list.length - 1; i > 0; i -= 1) {
      const j = this.randomBelow(i + 1)
      const kept = list[i] as T
      list[i] = list[j] as T
      list[j] = kept
    }
  }

  #sampleFromPool<T>(population: Sequence<T>, count: number): T[] {
    const pool = Array.from({ length: population.length }, (_, index) => population.at(index) as T)
    const result: T[] = []
    for (let i = 0; i < count; i += 1) {
      const last = pool.length - i - 1
      const j = this.randomBelow(last + 1)
      result.push(pool[j] as T)
      pool[j] = pool[last] as T
    }
    return result
  }

  #sampleBySet<T>(population: Sequence<T>, count: number): T[] {
    const selected = new Set<number>()
    while (selected.size < count) selected.add(this.randomBelow(population.length))
    return Array.from(selected, (index) => population.at(index) as T)
  }

  /** `getRandomBits` for 1 to 53 bits without a bigint. */
  #bitsAsNumber(bits: number): number {
    if (bits <= 32) return this.#twister.nextWord() >>> (32 - bits)
    const low = this.#twister.nextWord()
    return low + (this.#twister.nextWord() >>> (64 - bits)) * WORD
  }
}

function bitLength(value: number): number {
  return value < WORD ? 32 - Math.clz32(value) : 32 + (32 - Math.clz32(Math.floor(value / WORD)))
}

/** Python's `math.log(value, base)`: the quotient of two natural logarithms. */
function pythonLog(value: number, base: number): number {
  return Math.log(value) / Math.log(base)
}

function bisectRight(sorted: readonly number[], value: number, high: number): number {
  let low = 0
  let top = high
  while (low < top) {
    const middle = (low + top) >>> 1
    if (value < (sorted[middle] ?? 0)) top = middle
    else low = middle + 1
  }
  return low
}
