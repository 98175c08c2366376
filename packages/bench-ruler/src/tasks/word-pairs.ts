import type { Sequence } from '../python/python-random.ts'
import { sortedUnique } from '../python/python-text.ts'

interface Block {
  readonly start: number
  readonly prefix: string
  readonly words: readonly string[]
}

/**
 * All `adjective-noun` pairs, sorted by code point and unique, without building the list (6 million texts with the
 * official words). Pairs of one adjective are neighbors unless its "adjective-" begins another adjective's;
 * such families are built and sorted together.
 */
export class WordPairs implements Sequence<string> {
  readonly length: number
  readonly #blocks: readonly Block[]

  constructor(adjectives: readonly string[], nouns: readonly string[]) {
    const sortedNouns = sortedUnique(nouns)
    const blocks: Block[] = []
    let start = 0
    for (const family of prefixFamilies(sortedUnique(adjectives.map((adjective) => `${adjective}-`)))) {
      const [only] = family
      const block =
        family.length === 1 && only !== undefined
          ? { start, prefix: only, words: sortedNouns }
          : {
              start,
              prefix: '',
              words: sortedUnique(family.flatMap((head) => sortedNouns.map((noun) => head + noun))),
            }
      blocks.push(block)
      start += block.words.length
    }
    this.#blocks = blocks
    this.length = start
  }

  at(index: number): string | undefined {
    let low = 0
    let high = this.#blocks.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#blocks[middle]?.start ?? Infinity) <= index) low = middle + 1
      else high = middle
    }
    const block = this.#blocks[low - 1]
    const word = block?.words[index - block.start]
    return word === undefined ? undefined : `${block?.prefix ?? ''}${word}`
  }
}

/** Sorted heads in groups in which the first one is the beginning of all others. */
function prefixFamilies(heads: readonly string[]): string[][] {
  const families: string[][] = []
  for (const head of heads) {
    const current = families.at(-1)
    if (current?.[0] !== undefined && head.startsWith(current[0])) current.push(head)
    else families.push([head])
  }
  return families
}
