import { expect, test } from 'vitest'
import type { NativeLayerCache } from '../support/probe.ts'
import { layerCase, packed, residuals, segments } from './support/layer-cases.ts'
import { addon } from './support/open-model.ts'
import { randomValues } from './support/random-values.ts'

const engine = addon.createEngine({ threads: 2 })
const [kvHeads, headDim] = [2, 64]

const append = (cache: NativeLayerCache, count: number): Promise<void> => {
  const size = kvHeads * count * headDim
  return cache.append(randomValues(size, count), randomValues(size, count + 1), count)
}

test('keys are coded by whole blocks also where heads of one layer hold different numbers and a block is longer than a tile', async () => {
  // The first head keeps all of its 600 tokens, the second 200: 88 and 200 keys wait for a block of 256.
  const scores = Float32Array.from({ length: 1200 }, (_, i) => (i < 600 ? 2 : 1))
  const cache = await engine.createLayerCache({
    ...layerCase({
      tokens: 600,
      plan: {
        segments: segments(packed(4, 'channel'), packed(4, 'token'), 256),
        residual: residuals.blocks,
        tokens: { perHead: 400, pool: 'layer', floor: 0 },
      },
    }),
    scores,
  })
  const waiting = () =>
    [0, 1].map((head) =>
      cache.export(head).key.reduce((sum, part) => sum + (part.bits === 16 ? part.tokens : 0), 0),
    )
  expect(waiting()).toEqual([88, 200])
  await append(cache, 56)
  expect(waiting()).toEqual([144, 0])
  await append(cache, 112)
  expect(waiting()).toEqual([0, 112])
})

test('indices in the cache go on counting when a sliding window frees its oldest tiles', async () => {
  const exact = { bits: 16, element: 'f32' } as const
  const cache = await engine.createLayerCache(
    layerCase({
      tokens: 300,
      slidingWindow: 200,
      plan: {
        keys: { rope: 'before', transform: 'none' },
        segments: [
          { role: 'packed', tokens: 'rest', key: packed(4, 'token'), value: packed(4, 'token') },
          { role: 'recent', tokens: 16, key: exact, value: exact },
        ],
        positions: 'cache',
      },
    }),
  )
  // A query at position 300 sees 199 older tokens: indices 0 to 198.
  for (let next = 199; next < 199 + 40 * 16; next += 16) {
    await append(cache, 16)
    const indices = cache.export(0).key.flatMap((part) => [...(part.positions ?? [])])
    expect(indices).toEqual(Array.from(indices, (_, i) => next + 16 - indices.length + i))
  }
  expect(cache.kept()[0]!.length).toBeLessThan(340)
})
