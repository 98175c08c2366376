import { randomValues } from '@qpkv/conformance'
import { codeHqq, type HqqStorage } from '../src/index.ts'
import { resolve, type Block, type LayerOverride } from '@qpkv/spec'
import { expect, test } from 'vitest'
import { kivi } from '../src/index.ts'

/*
 * What the released code of arXiv 2412.12706 stores for its kvquant and its layerquant, value for value: both are its HQQ storage, which only
 * this quantizer simulates.
 */

const model = { layers: 4, queryHeads: 4, kvHeads: 2, headDim: 64 }
const run = (options: object, layers: readonly LayerOverride[] = []) =>
  resolve({ quantize: kivi({ profile: 'qpruningkv', ...options }), layers }, undefined, model, { tokens: 40 })

const block = (tensor: Block['tensor'], spread: number): Block => ({
  layer: 0,
  tensor,
  heads: 2,
  tokens: 40,
  headDim: 64,
  values: randomValues(2 * 40 * 64, 3, spread),
})
const storage = (tensor: Block['tensor'], bits: HqqStorage['bits'], threshold?: number): HqqStorage => ({
  bits,
  axis: tensor === 'key' ? 1 : 0,
  group: 64,
  version: '0.2.2',
  optimize: false,
  ...(threshold !== undefined && { threshold }),
  compute: 'f16',
})

test('threshold=6 is its kvquant: values beyond 6 exact, 0 in their place, 34 bytes each', () => {
  for (const bits of [8, 4, 3, 2] as const)
    for (const tensor of ['key', 'value'] as const) {
      const { hooks, bytes } = run({ bits, threshold: 6 })
      const given = block(tensor, 3)
      const read = hooks.roundTrip!(given)
      const theirs = codeHqq(given.values, storage(tensor, bits, 6))
      const plain = run({ bits })
      expect([...read.values]).toEqual([...theirs.values])
      expect([...read.values]).not.toEqual([...plain.hooks.roundTrip!(given).values])
      expect(theirs.outliers).toBeGreaterThan(5)
      expect(read.bytes).toBe(plain.hooks.roundTrip!(given).bytes + 34 * theirs.outliers)
      // A plan cannot know how many there will be.
      expect(bytes).toBe(plain.bytes)
    }
})

test('overrides to 16 bit are its layerquant: exact in the range, 4 bit outside', () => {
  const { plan, hooks } = run({ bits: 4 }, [{ from: 1, to: 3, keyBits: 16, valueBits: 16 }])
  expect(plan.layers.map((layer) => layer.simulated?.valueBits)).toEqual([4, undefined, undefined, 4])
  for (const tensor of ['key', 'value'] as const) {
    const given = block(tensor, 1)
    expect([...hooks.roundTrip!(given).values]).toEqual([...codeHqq(given.values, storage(tensor, 4)).values])
  }
})

test('threshold without that storage is refused by name', () => {
  expect(() => resolve({ quantize: kivi({ threshold: 6 }) }, undefined, model, { tokens: 40 })).toThrow(
    expect.objectContaining({
      code: 'KV_CONFLICT',
      message: expect.stringContaining('quantize.threshold is 6'),
    }),
  )
  expect(() => kivi({ profile: 'qpruningkv', threshold: -1 })).toThrow(
    expect.objectContaining({ code: 'KV_INVALID_OPTION' }),
  )
})
