import { expect, test } from 'vitest'
import { shareAmongHeads } from '../src/index.ts'
import { headBytes, layerBytes, packedFormat, exactFormat, type StoredLayer } from '@qpkv/spec'

const rows = (...scores: number[][]) => scores.map((row) => Float32Array.from(row))

/** Seeded, 0 to 1. */
function numbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

test('slots go to where the best scores of the layer lie, and a floor is kept', () => {
  const scores = rows([9, 8, 7, 1, 1], [6, 0, 0, 0, 0])
  expect(shareAmongHeads(scores, 2, { floor: 0 })).toEqual([3, 1])
  expect(shareAmongHeads(scores, 2, { floor: 1 })).toEqual([2, 2])
  // 0.5 * 2 + 0.5 * 3 = 2.5 and 1.5: the remainder goes to the first.
  expect(shareAmongHeads(scores, 2, { floor: 0.5 })).toEqual([3, 1])
  // Half to even, head by head: 0.5 * 3 + 1 and 0.5 * 1 + 1.
  expect(shareAmongHeads(scores, 2, { floor: 0.5, rounding: 'each' })).toEqual([2, 2])
  expect(shareAmongHeads(scores, 0, { floor: 0.2 })).toEqual([0, 0])
  expect(shareAmongHeads(scores, 9, { floor: 0.2 })).toEqual([5, 5])
})

test('equal scores go to the lower head', () => {
  expect(shareAmongHeads(rows([1, 1, 1], [1, 1, 1]), 1, { floor: 0 })).toEqual([2, 0])
})

test('weighed by its top share, a spread head gives slots to a peaked one', () => {
  const scores = rows([5, 5, 5, 5], [6, 4.5, 0, 0])
  expect(shareAmongHeads(scores, 2, { floor: 0 })).toEqual([3, 1])
  // The first head's best two hold half of its sum: 2.5 each; the second's all of it.
  expect(shareAmongHeads(scores, 2, { floor: 0, weigh: 'top-share' })).toEqual([2, 2])
  expect(shareAmongHeads(rows([0, 0], [0, 1]), 1, { floor: 0, weigh: 'top-share' })).toEqual([1, 1])
})

test('the sum is exact for any scores and floor', () => {
  const next = numbers(3)
  for (let i = 0; i < 200; i++) {
    const [heads, tokens] = [1 + Math.floor(next() * 8), 2 + Math.floor(next() * 60)]
    const slots = 1 + Math.floor(next() * (tokens - 1))
    const scores = Array.from({ length: heads }, () =>
      Float32Array.from({ length: tokens }, () => next() ** 3),
    )
    const floor = next()
    const counts = shareAmongHeads(scores, slots, { floor })
    expect(counts.reduce((sum, n) => sum + n, 0)).toBe(heads * slots)
    for (const count of counts) {
      expect(count).toBeGreaterThanOrEqual(Math.floor(floor * slots))
      expect(count).toBeLessThanOrEqual(tokens)
    }
  }
})

const format = (bits: 2 | 3 | 4, scalePer: 'channel' | 'token') => packedFormat({ bits, scalePer, group: 32 })
const packed = (bits: 2 | 3 | 4, recent: number, sinks = 0): StoredLayer['segments'] => [
  ...(sinks > 0 ? [{ role: 'sinks', tokens: sinks, key: exactFormat(), value: exactFormat() } as const] : []),
  { role: 'packed', tokens: 'rest', key: format(bits, 'channel'), value: format(bits, 'token') },
  { role: 'recent', tokens: recent, key: exactFormat(), value: exactFormat() },
]
const byGroups = {
  keys: { rope: 'after', transform: 'none' },
  residual: { keys: 'group', values: 'group' },
  evict: 'never',
} as const
const layers: Record<string, StoredLayer> = {
  exact: {
    segments: [{ role: 'recent', tokens: 'rest', key: exactFormat(), value: exactFormat() }],
    ...byGroups,
  },
  '4 bit': { segments: packed(4, 8), ...byGroups },
  '3 bit, sinks and a long window': { segments: packed(3, 200, 5), ...byGroups },
  'the block rule': { segments: packed(2, 96), ...byGroups, residual: { keys: 'block', values: 'token' } },
}

test.each(Object.keys(layers))('no way of sharing takes more bytes than the plan says: %s', (name) => {
  const layer = layers[name]!
  const next = numbers(name.length)
  for (const heads of [1, 2, 8])
    for (const mean of [3, 40, 128, 333, 1000]) {
      const most = layerBytes(layer, { pool: 'layer' }, heads, 64)(mean)
      for (let i = 0; i < 40; i++) {
        const counts = Array.from({ length: heads }, () => 0)
        for (let left = heads * mean; left > 0;) {
          const some = Math.min(left, 1 + Math.floor(next() ** 2 * left))
          counts[Math.floor(next() * heads)]! += some
          left -= some
        }
        const bytes = counts.reduce((sum, n) => sum + headBytes(layer, n, 64), 0)
        expect(bytes).toBeLessThanOrEqual(most)
      }
      expect(layerBytes(layer, { pool: 'head' }, heads, 64)(mean)).toBe(heads * headBytes(layer, mean, 64))
    }
})
