import type { LayerPlan } from '@qpkv/spec'
import { describe, expect, test } from 'vitest'
import type { NativeLayerCache, NativePartExport } from '../support/probe.ts'
import { exact, layerCase, packed, segments, sliceTokens, stage } from './support/layer-cases.ts'
import { addon, exactSegments, tables } from './support/open-model.ts'
import { randomValues } from './support/random-values.ts'

function values(parts: readonly NativePartExport[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.values.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part.values, at)
    at += part.values.length
  }
  return all
}

/** Softmax attention in double precision over what the cache holds. q: [queryHeads, dim]. */
function attention(cache: NativeLayerCache, q: Float32Array, stored: number, dim: number): number[] {
  const group = q.length / dim / stored
  const out: number[] = []
  const tiles = Array.from({ length: stored }, (_, head) => {
    const { tokens, key, value } = cache.export(head)
    return { tokens, k: values(key), v: values(value) }
  })
  for (let head = 0; head < stored * group; head++) {
    const tile = tiles[Math.floor(head / group)]!
    const { k, v } = tile
    const logits = Array.from({ length: tile.tokens }, (_, t) => {
      let dot = 0
      for (let c = 0; c < dim; c++) dot += (q[head * dim + c] ?? 0) * (k[t * dim + c] ?? 0)
      return dot / Math.sqrt(dim)
    })
    const top = Math.max(...logits)
    const weights = logits.map((logit) => Math.exp(logit - top))
    const sum = weights.reduce((a, b) => a + b, 0)
    for (let c = 0; c < dim; c++)
      out.push(weights.reduce((total, w, t) => total + (w / sum) * (v[t * dim + c] ?? 0), 0))
  }
  return out
}

const relative = (got: Float32Array, want: readonly number[]) => {
  const rms = Math.sqrt(want.reduce((sum, x) => sum + x * x, 0) / want.length)
  return Math.max(...want.map((x, i) => Math.abs(x - (got[i] ?? NaN)))) / rms
}

type Make = (element: 'bf16' | 'f32') => Partial<LayerPlan>
const plans: Record<string, Make> = {
  exact: (element) => ({ segments: exactSegments(element) }),
  ...Object.fromEntries(
    ([8, 4, 3, 2, 1] as const).map((bits): [string, Make] => [
      `${bits} bit`,
      (element) => ({
        segments: segments(packed(bits, 'channel'), packed(bits, 'token'), 32, { sinks: 4, element }),
      }),
    ]),
  ),
  'exact keys, 4-bit values': (element) => ({
    segments: segments(exact(element), packed(4, 'token'), 16, { element }),
  }),
  'integer zeros': (element) => ({
    segments: segments(
      packed(4, 'token', 32, { zero: 'integer' }),
      packed(4, 'token', 32, { zero: 'integer' }),
      16,
      { element },
    ),
  }),
}

describe.each(tables)('%s', (table) => {
  const engine = addon.createEngine({ threads: 2, table })
  test.each(Object.keys(plans))('attention equals that over the values read back: %s', async (name) => {
    for (const [precision, bound] of [
      ['f32', 1e-5],
      ['bf16', 1e-2],
    ] as const)
      for (const [queryHeads, kvHeads, headDim] of [
        [4, 2, 64],
        [8, 1, 40],
        [2, 2, 128],
      ] as const)
        for (const tokens of [1, 37, 300]) {
          const plan = plans[name]?.(precision) ?? {}
          const options = layerCase({ tokens, queryHeads, kvHeads, headDim, precision, plan, seed: tokens })
          const cache = await engine.createLayerCache(options)
          for (const count of [1, 70]) {
            // Several tokens more: across group boundaries, into fresh tiles.
            const extra = randomValues(2 * kvHeads * count * headDim, count)
            const half = extra.length / 2
            await cache.append(extra.subarray(0, half), extra.subarray(half), count)
            // Logits with a standard deviation of 1.
            const q = randomValues(queryHeads * headDim, tokens + count)
            const label = `${precision}, ${queryHeads}/${kvHeads} heads of ${headDim}, ${tokens} + ${count} tokens`
            expect(
              relative(await cache.attend(q), attention(cache, q, kvHeads, headDim)),
              label,
            ).toBeLessThan(bound)
          }
          cache.dispose()
        }
  })
})

test('heads that keep different numbers of tokens attend to their own, also when later tokens are coded', async () => {
  const engine = addon.createEngine({ threads: 2 })
  const scores = randomValues(600, 4).map((x, i) => Math.abs(x) + (i < 300 ? 1 : 0))
  for (const bits of [16, 4, 2] as const) {
    const options = layerCase({
      tokens: 300,
      plan: {
        segments:
          bits === 16 ? exactSegments('f32') : segments(packed(bits, 'channel'), packed(bits, 'token'), 16),
        tokens: { perHead: 150, pool: 'layer', floor: 0.1 },
        ...stage({ stat: 'key-norm' }),
        protect: { first: 0, last: 16 },
      },
    })
    const cache = await engine.createLayerCache({ ...options, scores })
    const counts = cache.kept().map((head) => head.length)
    expect(counts[0]).toBeGreaterThan((counts[1] ?? 0) + 100)
    expect(counts[0]! + counts[1]!).toBe(300)
    for (const count of [1, 70, 3]) {
      const extra = randomValues(4 * count * 64, count)
      await cache.append(extra.subarray(0, 2 * count * 64), extra.subarray(2 * count * 64), count)
      const q = randomValues(4 * 64, count)
      expect(relative(await cache.attend(q), attention(cache, q, 2, 64))).toBeLessThan(1e-5)
    }
    cache.dispose()
  }
})

test('scrambled codes change the answer: nothing else holds the values', async () => {
  const engine = addon.createEngine({ threads: 2 })
  const options = layerCase({
    tokens: 200,
    plan: { segments: segments(packed(4, 'channel'), packed(4, 'token'), 0) },
  })
  const cache = await engine.createLayerCache(options)
  const q = randomValues(4 * 64, 3)
  const before = await cache.attend(q)
  cache.scramble(1)
  const after = await cache.attend(q)
  expect(relative(after, [...before])).toBeGreaterThan(0.1)
  expect(relative(after, attention(cache, q, 2, 64))).toBeLessThan(1e-5)
})

test('per query head, every stored head holds its KV head', async () => {
  const engine = addon.createEngine({ threads: 2 })
  const options = layerCase({ tokens: 50, heads: 'query' })
  const cache = await engine.createLayerCache(options)
  expect(cache.kept()).toHaveLength(4)
  for (let head = 0; head < 4; head++)
    expect(values(cache.export(head).key)).toEqual(
      sliceTokens(options.k, 2, 64, 0, 50).slice((head >> 1) * 50 * 64, ((head >> 1) + 1) * 50 * 64),
    )
})
