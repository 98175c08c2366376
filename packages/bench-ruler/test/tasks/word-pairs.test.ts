import { describe, expect, it } from 'vitest'
import { sortedUnique } from '../../src/python/python-text.ts'
import { WordPairs } from '../../src/tasks/word-pairs.ts'

describe('WordPairs', () => {
  it.each([
    [
      ['well', 'well-made', 'wel', 'a', 'well-made-up', 'a'],
      ['made', 'up', 'made-up', 'x y', 'up'],
    ],
    [
      ['b', 'a'],
      ['z', 'y'],
    ],
    [
      ['off', 'off-key', 'of'],
      ['key-x', 'x', 'key'],
    ],
    [[], ['a']],
  ])('lists the pairs of %j and %j sorted and unique', (adjectives, nouns) => {
    const pairs = new WordPairs(adjectives, nouns)
    const listed = Array.from({ length: pairs.length }, (_, i) => pairs.at(i))
    expect(listed).toEqual(sortedUnique(adjectives.flatMap((a) => nouns.map((n) => `${a}-${n}`))))
    expect(pairs.at(pairs.length)).toBeUndefined()
  })
})
