import { resolve } from '@qpkv/spec'
import { expect, test } from 'vitest'
import { int8 } from '../src/index.ts'

const model = { layers: 2, queryHeads: 4, kvHeads: 2, headDim: 64 }

test('one scale and one integer zero point per token and head', () => {
  const { plan, bytes } = resolve({ quantize: int8() }, undefined, model, { tokens: 1024 })
  const packed = plan.layers[0]!.segments.find((s) => s.role === 'packed')!
  for (const tensor of [packed.key, packed.value])
    expect(tensor).toMatchObject({ bits: 8, scalePer: 'token', group: 64, zero: 'integer' })
  // A byte per value, two for the scale and one for the zero point per token, head and tensor.
  expect(bytes).toBe(2 * 2 * 2 * 1024 * (64 + 2 + 1))
})

test('layers can be left exact by overrides', () => {
  const layers = [{ from: 0, to: 1, keyBits: 16, valueBits: 16 }] as const
  const { plan } = resolve({ quantize: int8(), layers }, undefined, model, { tokens: 100 })
  expect(plan.layers[0]!.segments).toHaveLength(1)
  expect(plan.layers[1]!.segments).toHaveLength(2)
})
