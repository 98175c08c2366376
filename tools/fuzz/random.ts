/** Small seeded generator (xorshift32): the same seed and iteration give the same input for ever. */
export class FuzzRandom {
  private state: number

  constructor(seed: number, iteration: number) {
    this.state = (Math.imul(seed, 0x9e3779b1) ^ Math.imul(iteration + 1, 0x85ebca6b)) | 1
    for (let i = 0; i < 4; i++) this.next()
  }

  next(): number {
    let x = this.state
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    this.state = x
    return x >>> 0
  }

  /** 0 to count - 1. */
  below(count: number): number {
    return this.next() % count
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T
  }
}
