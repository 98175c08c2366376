import { randomValues } from '@qpkv/conformance'
import { resolve, type Block } from '@qpkv/spec'
import { expect, test } from 'vitest'
import { recordActivations, undoRope } from '../src/index.ts'

test('turning keys back undoes the rotary embedding', () => {
  const headDim = 8
  const tokens = 5
  const before = randomValues(2 * tokens * headDim, 4)
  const inverse = Array.from({ length: 4 }, (_, i) => 10_000 ** (-i / 4))
  const after = before.map((_, n) => {
    const row = Math.floor(n / headDim)
    const channel = n % headDim
    const i = channel % 4
    const angle = (row % tokens) * inverse[i]!
    const [x, y] = [before[row * headDim + i]!, before[row * headDim + 4 + i]!]
    return (
      1.5 *
      (channel < 4 ? x * Math.cos(angle) - y * Math.sin(angle) : y * Math.cos(angle) + x * Math.sin(angle))
    )
  })
  undoRope(after, { tokens, headDim }, inverse, 1.5).forEach((x, i) => expect(x).toBeCloseTo(before[i]!, 5))
})

test('a recorder keeps what an engine shows it, and says when that is not everything', () => {
  const recorder = recordActivations()
  const model = { layers: 2, queryHeads: 2, kvHeads: 1, headDim: 8 }
  const { plan, hooks } = resolve({ quantize: recorder.quantize }, undefined, model, { tokens: 3 })
  expect(plan.layers.every((layer) => layer.simulated?.keyBits === 16)).toBe(true)
  const block = (layer: number, tensor: Block['tensor']): Block => ({
    layer,
    tensor,
    heads: 1,
    tokens: 3,
    headDim: 8,
    values: new Float32Array(24).fill(layer + (tensor === 'key' ? 0.25 : 0.5)),
  })
  const first = block(0, 'key')
  expect(hooks.roundTrip!(first).values).toBe(first.values)
  expect(() => recorder.layers()).toThrow(expect.objectContaining({ code: 'KV_DATA' }))
  for (const [layer, tensor] of [
    [0, 'value'],
    [1, 'key'],
    [1, 'value'],
  ] as const)
    hooks.roundTrip!(block(layer, tensor))
  const [, second] = recorder.layers()
  expect(second).toMatchObject({ heads: 1, tokens: 3, headDim: 8 })
  expect([second!.key[0], second!.value[0]]).toEqual([1.25, 1.5])
})
