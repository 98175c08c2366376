import { readBack } from '@qpkv/reference'
import type { PackedFormat } from '@qpkv/spec'
import { describe, expect, test } from 'vitest'
import type { NativePartExport } from '../support/probe.ts'
import { layerCase, packed, segments } from './support/layer-cases.ts'
import { addon, tables } from './support/open-model.ts'
import { randomValues } from './support/random-values.ts'

const beyond = (threshold: number): Partial<PackedFormat> => ({ outlierRule: { kind: 'beyond', threshold } })
const codebook = { levels: { codebook: [-1, -0.7, -0.4, -0.1, 0.15, 0.4, 0.7, 1] } } as const
/** Keys and values of each case. */
const cases: Record<string, readonly [PackedFormat, PackedFormat]> = {
  'float minima': [packed(4, 'channel'), packed(2, 'token', 24)],
  'f16 metadata': [
    packed(3, 'token', 32, { metadata: 'f16' }),
    packed(8, 'channel', 64, { metadata: 'f16' }),
  ],
  'integer zeros': [
    packed(4, 'token', 32, { zero: 'integer' }),
    packed(8, 'channel', 16, { zero: 'integer' }),
  ],
  codebooks: [packed(3, 'channel', 128, codebook), packed(3, 'token', 40, codebook)],
  'outliers by deviation': [
    packed(4, 'channel', 128, { outliers: 0.01 }),
    packed(2, 'token', 40, { outliers: 0.02, ...codebook, bits: 3 }),
  ],
  'outliers beyond a size': [
    packed(4, 'token', 40, { outliers: 0.25, ...beyond(1.5) }),
    packed(2, 'channel', 64, { outliers: 0.25, metadata: 'f16', ...beyond(1.5) }),
  ],
  'more beyond it than there is room': [
    packed(4, 'token', 32, { outliers: 0.01, ...beyond(0.5) }),
    packed(3, 'channel', 64, { outliers: 0.003, ...beyond(0) }),
  ],
  'nothing beyond it': [
    packed(4, 'token', 32, { outliers: 0.01, ...beyond(1000) }),
    packed(3, 'channel', 64, { outliers: 0.01, ...beyond(1000) }),
  ],
  'beyond a size, integer zeros and codebook': [
    packed(4, 'channel', 32, { outliers: 0.02, zero: 'integer', ...beyond(1) }),
    packed(3, 'token', 40, { outliers: 0.02, ...codebook, ...beyond(1) }),
  ],
}

const joined = (parts: readonly NativePartExport[]) => parts.flatMap((part) => [...part.values])

/** Values with a spread of its own per channel: some far out, as keys have them. */
const wide = (count: number, headDim: number, seed: number) =>
  randomValues(count, seed).map((x, i) => x * (1 + ((i % headDim) % 7) / 2))

describe.each(tables)('%s', (table) => {
  const engine = addon.createEngine({ threads: 2, table })
  test.each(Object.keys(cases))('stores what the reference quantizer says: %s', async (name) => {
    const [key, value] = cases[name]!
    for (const tokens of [1, 37, 128, 300]) {
      const headDim = 40
      const plan = { segments: segments(key, value, 0) }
      const options = layerCase({ tokens, queryHeads: 4, kvHeads: 2, headDim, plan, seed: tokens })
      const k = wide(options.k.length, headDim, tokens + 1)
      const v = wide(options.v.length, headDim, tokens + 2)
      const cache = await engine.createLayerCache({ ...options, k, v })
      for (let head = 0; head < 2; head++) {
        const own = (x: Float32Array) => x.subarray(head * tokens * headDim, (head + 1) * tokens * headDim)
        const stored = cache.export(head)
        expect(joined(stored.key), `keys of ${tokens}`).toEqual([...readBack(own(k), tokens, headDim, key)])
        expect(joined(stored.value), `values of ${tokens}`).toEqual([
          ...readBack(own(v), tokens, headDim, value),
        ])
      }
      cache.dispose()
    }
  })
})
