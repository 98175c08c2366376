/** A small seeded generator: the same seed text gives the same numbers on every machine. */
export interface Random {
  /** An integer in [0, below). */
  integer(below: number): number
  pick<T>(list: readonly T[]): T
  /** `count` different members in random order. */
  sample<T>(list: readonly T[], count: number): T[]
}

/** FNV-1a of the seed text, then a 32-bit counter mixed by multiplication and shifts. */
export function seededRandom(seed: string): Random {
  let state = 0x811c9dc5
  for (const unit of Buffer.from(seed, 'utf8')) state = Math.imul(state ^ unit, 0x01000193)
  const next = (): number => {
    state = (state + 0x9e3779b9) | 0
    let mixed = Math.imul(state ^ (state >>> 16), 0x85ebca6b)
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
    return (mixed ^ (mixed >>> 16)) >>> 0
  }
  const integer = (below: number): number => Math.floor((next() / 2 ** 32) * below)
  const sample = <T>(list: readonly T[], count: number): T[] => {
    const rest = [...list]
    return Array.from({ length: Math.min(count, rest.length) }, () =>
      rest.splice(integer(rest.length), 1),
    ).flat()
  }
  return {
    integer,
    sample,
    pick: (list) => {
      const [one] = sample(list, 1)
      if (one === undefined) throw new RangeError('Expected a list with members to pick from.')
      return one
    },
  }
}
