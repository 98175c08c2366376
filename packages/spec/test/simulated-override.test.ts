import { expect, test } from 'vitest'
import { exactFormat, resolve, type LayerOverride } from '../src/index.ts'
import { simulated } from './simulated.ts'

const model = { layers: 3, queryHeads: 4, kvHeads: 2, headDim: 64 }
const run = (widths: Pick<LayerOverride, 'keyBits' | 'valueBits'>) =>
  resolve({ quantize: simulated(), layers: [{ from: 1, to: 2, ...widths }] }, undefined, model, {
    tokens: 100,
  })

test('an override to 16 bit leaves a layer of a simulated quantizer exact, and counts it so', () => {
  const { plan, bytes, nominalBytes } = run({ keyBits: 16, valueBits: 16 })
  expect(plan.layers.map((layer) => layer.simulated?.keyBits)).toEqual([4, undefined, 4])
  expect(plan.layers[1]!.segments).toEqual([
    { role: 'recent', tokens: 'rest', key: exactFormat(), value: exactFormat() },
  ])
  // 2 heads of 100 tokens at half a byte per value, twice; the exact layer takes 7 blocks of 16 slots.
  expect(bytes).toBe(2 * 2 * 2 * 100 * 32 + 2 * 2 * 112 * 128)
  expect(nominalBytes).toBe((2 * 100 * 64 * 2 * (4 + 16 + 4)) / 8)
})

test('other widths are refused, and the message says which one works', () => {
  for (const widths of [{ keyBits: 8, valueBits: 8 }, { keyBits: 16 }, { valueBits: 2 }] as const)
    expect(() => run(widths)).toThrow(
      expect.objectContaining({
        code: 'KV_CONFLICT',
        hint: expect.stringContaining('keyBits=16,valueBits=16'),
      }),
    )
  expect(run({ keyBits: 4 }).plan.layers[1]!.simulated).toEqual({ keyBits: 4, valueBits: 4 })
})
