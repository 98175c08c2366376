import { exactFormat, resolve } from '@qpkv/spec'
import { expect, test } from 'vitest'
import { layerquant } from '../src/index.ts'

const model = { layers: 4, queryHeads: 4, kvHeads: 2, headDim: 40 }
const run = (options: object) =>
  resolve({ quantize: layerquant({ profile: 'qpruningkv', ...options }) }, undefined, model, { tokens: 100 })

test('the profile: 16 bit in the range, 4-bit tiles outside, whatever the widths say', () => {
  for (const widths of [{}, { bits: 8, rangeBits: 2 }, { bits: 2, rangeBits: 4 }]) {
    const { plan, hooks } = run({ from: 1, to: 3, ...widths })
    expect(hooks).toEqual({})
    expect(plan.layers.some((layer) => layer.simulated)).toBe(false)
    for (const l of [1, 2])
      expect(plan.layers[l]!.segments).toEqual([
        { role: 'recent', tokens: 'rest', key: exactFormat(), value: exactFormat() },
      ])
    for (const l of [0, 3]) {
      const { segments, residual } = plan.layers[l]!
      expect(residual).toEqual({ keys: 'never', values: 'never' })
      // 40 channels are the largest group of keys that this head has.
      expect(segments[0]!.key).toMatchObject({ bits: 4, scalePer: 'token', group: 40, outliers: 0 })
      expect(segments[0]!.value).toMatchObject({ bits: 4, scalePer: 'channel', group: 64, outliers: 0 })
      expect(segments[0]!.key).not.toHaveProperty('outlierRule')
      expect(segments[1]!.tokens).toBe(0)
    }
  }
})

test('the widths at which the released code stops are refused', () => {
  expect(() => run({ rangeBits: 16 })).toThrow(
    expect.objectContaining({
      code: 'KV_CONFLICT',
      message: expect.stringContaining('quantize.rangeBits is 16'),
    }),
  )
  expect(() => run({ rangeBits: 0 })).toThrow(expect.objectContaining({ code: 'KV_INVALID_OPTION' }))
})
