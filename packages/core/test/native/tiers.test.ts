import { planBytes, segmentTokens, type LayerPlan, type TensorFormat } from '@qpkv/spec'
import { describe, expect, test } from 'vitest'
import { attentionScore, exact, layerCase, packed, sliceTokens } from './support/layer-cases.ts'
import { addon, tables } from './support/open-model.ts'

const shape = { queryHeads: 4, kvHeads: 2, headDim: 64 }

/** Three tiers and a window of 16; keys per channel, or per token by norms. */
const tieredPlan = (perHead: number, key: (bits: 4 | 2) => TensorFormat): Partial<LayerPlan> => {
  const tier = (bits: 4 | 2) => ({ key: key(bits), value: packed(bits, 'token') })
  const plain = { key: exact(), value: exact() }
  return {
    tokens: { perHead, pool: 'head', floor: 0 },
    segments: [
      { role: 'packed', tokens: { share: 0.1 }, ...plain },
      { role: 'packed', tokens: { share: 0.3 }, ...tier(4) },
      { role: 'packed', tokens: 'rest', ...tier(2) },
      { role: 'recent', tokens: 16, ...plain },
    ],
    stages: [{ score: attentionScore(), share: 1 }],
    protect: { first: 2, last: 16 },
  }
}
const keys: Record<string, (bits: 4 | 2) => TensorFormat> = {
  'per channel': (bits) => packed(bits, 'channel'),
  'per token': (bits) => packed(bits, 'token', 64, { zero: 'integer' }),
  balanced: (bits) => packed(bits, 'channel', 128, { balance: { steps: 4 } }),
}

describe.each(tables)('%s', (table) => {
  const engine = addon.createEngine({ threads: 2, table })

  test.each(Object.keys(keys))('the best tokens are in the widest tier: keys %s', async (name) => {
    const tokens = 300
    const options = layerCase({ tokens, ...shape, plan: tieredPlan(250, keys[name]!) })
    const { plan } = options
    const scores = Float32Array.from({ length: 2 * tokens }, (_, i) => (i * 7919) % 1009)
    const cache = await engine.createLayerCache({ ...options, scores })
    const [kept] = cache.kept()
    const counts = segmentTokens(plan, 'key', kept!.length)
    expect(counts).toEqual([23, 70, 141, 16])
    const at = (first: number, count: number) => Array.from(kept!.slice(first, first + count))
    const groups = counts.map((count, i) =>
      at(
        counts.slice(0, i).reduce((a, b) => a + b, 0),
        count,
      ),
    )
    // Within a tier by position; no token has a better score than one of a tier before.
    for (const group of groups) expect(group).toEqual([...group].sort((a, b) => a - b))
    const scored = groups.slice(0, 3).map((group) => group.filter((t) => t >= 2 && t < tokens - 16))
    const range = scored.map((group) => group.map((t) => scores[t]!))
    expect(Math.min(...range[0]!)).toBeGreaterThanOrEqual(Math.max(...range[1]!))
    expect(Math.min(...range[1]!)).toBeGreaterThanOrEqual(Math.max(...range[2]!))
    const { key } = cache.export(0)
    expect(key.map((part) => [part.bits, part.tokens])).toEqual([
      [16, 23],
      [4, 70],
      [2, 128],
      [2, 13],
      [16, 16],
    ])
    const planned = planBytes(
      { planVersion: 2, heads: 'kv', promptTokens: tokens, layers: [plan] },
      { layers: 1, ...shape },
    )
    expect(cache.bytes().planned).toBe(planned.tiles)
    cache.dispose()
  })

  test('attention over tiers is attention over what they read back as, later tokens included', async () => {
    const tokens = 200
    const plan = tieredPlan(150, keys['per channel']!)
    const options = layerCase({ tokens, ...shape, plan })
    const cache = await engine.createLayerCache(options)
    const later = layerCase({ tokens: 90, ...shape, seed: 5 })
    for (let t = 0; t < 90; t++)
      await cache.append(sliceTokens(later.k, 2, 64, t, 1), sliceTokens(later.v, 2, 64, t, 1), 1)
    const q = options.q.slice(0, 4 * 64)
    const out = await cache.attend(q)
    for (let head = 0; head < 4; head++) {
      const { key, value } = cache.export(head >> 1)
      // Later tokens leave for the last tier: 81 of the prompt were there.
      const narrow = key.filter(({ bits }) => bits === 2)
      expect(narrow.reduce((sum, part) => sum + part.tokens, 0)).toBe(81 + 64)
      const rows = (parts: typeof key) => parts.flatMap((part) => Array.from(part.values))
      const [k, v] = [rows(key), rows(value)]
      const query = q.slice(head * 64, head * 64 + 64)
      const logits = Array.from({ length: k.length / 64 }, (_, t) =>
        query.reduce((sum, x, c) => sum + (x * k[t * 64 + c]!) / 8, 0),
      )
      const most = Math.max(...logits)
      const p = logits.map((x) => Math.exp(x - most))
      const total = p.reduce((a, b) => a + b, 0)
      for (let c = 0; c < 64; c++) {
        const want = p.reduce((sum, x, t) => sum + x * v[t * 64 + c]!, 0) / total
        expect(out[head * 64 + c]).toBeCloseTo(want, 4)
      }
    }
    cache.dispose()
  })
})
