/** Seeded random numbers (sfc32): the same seed gives the same texts on every machine and Node version. */
export class WorldRandom {
  #a: number
  #b: number
  #c: number
  #counter = 1

  /** @param seed Any string or number; two seeds that print the same are the same seed. */
  constructor(seed: string | number) {
    const state = hashText(String(seed))
    this.#a = state[0]
    this.#b = state[1]
    this.#c = state[2]
    for (let i = 0; i < 12; i++) this.#next()
  }

  /** An unsigned 32-bit integer. */
  #next(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum
    this.#c |= 0
    return sum >>> 0
  }

  /** Uniform in [0, 1), 32 bits of it. */
  unit(): number {
    return this.#next() / 2 ** 32
  }

  /** Uniform integer in [0, end). */
  below(end: number): number {
    return Math.floor(this.unit() * end)
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)]
    if (item === undefined) throw new RangeError('Expected a list with at least one item to pick from.')
    return item
  }

  /** One of `items`, drawn in proportion to `weights` (same length). */
  weighted<T>(items: readonly T[], weights: readonly number[]): T {
    let left = this.unit() * weights.reduce((sum, weight) => sum + weight, 0)
    for (const [index, item] of items.entries()) {
      left -= weights[index] ?? 0
      if (left < 0) return item
    }
    return this.pick(items.slice(-1))
  }

  /** A shuffled copy. */
  shuffle<T>(items: readonly T[]): T[] {
    const copy = [...items]
    for (let i = copy.length - 1; i > 0; i--) {
      const j = this.below(i + 1)
      const moved = copy[i] as T
      copy[i] = copy[j] as T
      copy[j] = moved
    }
    return copy
  }
}

/** Three 32-bit words from a text (FNV-1a over three offsets). */
function hashText(text: string): [number, number, number] {
  const mix = (offset: number) => {
    let hash = offset
    for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
    return hash
  }
  return [mix(0x811c9dc5 | 0), mix(0x9e3779b9 | 0), mix(0x85ebca6b | 0)]
}
