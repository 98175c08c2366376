import { readBack } from '@qpkv/reference'
import { resolve, type TensorFormat } from '@qpkv/spec'
import { expect, test } from 'vitest'
import { kvarn } from '../src/index.ts'

const model = { layers: 1, queryHeads: 2, kvHeads: 1, headDim: 128 }
const resolved = (options: Parameters<typeof kvarn>[0] = {}) =>
  resolve({ quantize: kvarn({ recent: 0, ...options }) }, undefined, model, { tokens: 1280 })

test('K4V2 takes 3.375 bits per value', () => {
  expect((resolved().bytes * 8) / (1280 * 2 * 128)).toBe(3.375)
})

test('the profile vllm: eight steps and 128 exact first tokens', () => {
  const { segments } = resolved({ profile: 'vllm' }).plan.layers[0]!
  expect(segments[0]).toMatchObject({ role: 'sinks', tokens: 128 })
  expect(segments[1]!.key).toMatchObject({ balance: { steps: 8 }, scalePer: 'channel', group: 128 })
  expect(segments[1]!.value).toMatchObject({ balance: { steps: 8 }, scalePer: 'token', group: 128 })
})

test('tokens of very different sizes come back the better for it', () => {
  const x = Float32Array.from(
    { length: 128 * 128 },
    (_, i) => Math.sin(i * i + 1) * (Math.floor(i / 128) % 16 === 3 ? 40 : 1),
  )
  const { key } = resolved().plan.layers[0]!.segments[0]!
  const { balance: _, ...plain } = key as Extract<TensorFormat, { scalePer: string }>
  const error = (format: TensorFormat) =>
    readBack(x, 128, 128, format).reduce((sum, y, i) => sum + (y - x[i]!) ** 2 / (x[i]! ** 2 + 1), 0)
  expect(error(key)).toBeLessThan(0.2 * error(plain))
})
