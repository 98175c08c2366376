import { expect, test } from 'vitest'
import { compareKept } from '../src/index.ts'

// Eight tokens, the last two a window; a plateau of 3 lies across the boundary of three chosen ones.
const scores = Float32Array.of(9, 3, 1, 3, 3, 0)
const recorded = { kept: Int32Array.of(0, 1, 3, 6, 7), scores, unique: false }

test('what ties at the boundary may be chosen differently', () => {
  expect(compareKept(Int32Array.of(0, 1, 4, 6, 7), recorded, 2)).toEqual([])
})

test.each([
  ['a token too few', [0, 1, 6, 7], 'keeps 4 tokens, recorded 5'],
  ['a token twice', [0, 1, 1, 6, 7], 'keeps a token twice'],
  ['a window token lost', [0, 1, 3, 4, 7], 'window token 6 is missing'],
  ['a token above the boundary lost', [1, 3, 4, 6, 7], 'token 0 is missing'],
  ['a token below the boundary kept', [0, 1, 2, 6, 7], 'token 2 should not be kept'],
])('%s is a difference', (_, kept, difference) => {
  expect(compareKept(Int32Array.from(kept), recorded, 2)).toContain(difference)
})

test('where the scores allow one set only, it must be that one', () => {
  expect(compareKept(Int32Array.of(0, 1, 4, 6, 7), { ...recorded, unique: true }, 2)).toEqual([
    'token 3 is missing',
  ])
})
