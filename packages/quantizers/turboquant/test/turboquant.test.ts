import { meanRow, readBack, restoreRows, transformRows } from '@qpkv/reference'
import { resolve } from '@qpkv/spec'
import { describe, expect, test } from 'vitest'
import { lloydMax, turboquant } from '../src/index.ts'

const model = { layers: 4, queryHeads: 4, kvHeads: 2, headDim: 64 }
const resolved = (options: Parameters<typeof turboquant>[0]) =>
  resolve({ quantize: turboquant({ recent: 0, ...options }) }, undefined, model, { tokens: 256 })

describe('Lloyd-Max levels of a normal distribution', () => {
  // Max 1960, table I.
  test.each([
    [1, [0.7979]],
    [2, [0.4528, 1.51]],
    [3, [0.2451, 0.756, 1.344, 2.152]],
    [4, [0.1284, 0.3881, 0.6568, 0.9424, 1.256, 1.618, 2.069, 2.733]],
  ])('of %i bits', (bits, upper) => {
    const levels = lloydMax(bits)
    expect(levels).toHaveLength(2 ** bits)
    upper.forEach((level, i) => {
      expect(levels[levels.length / 2 + i]).toBeCloseTo(level, 3)
      expect(levels[levels.length / 2 - 1 - i]).toBe(-levels[levels.length / 2 + i]!)
    })
  })

  test('8 bits ascend', () => {
    const levels = lloydMax(8)
    for (let i = 1; i < 256; i++) expect(levels[i]).toBeGreaterThan(levels[i - 1]!)
  })
})

test('a key token takes its codes and a norm, and a layer its mean', () => {
  const { plan, bytes } = resolved({ bits: 4 })
  const perToken = 64 / 2 + 2 + (64 / 2 + 4)
  const mean = 2 * 64 * 4
  expect(bytes).toBe(4 * (2 * 256 * perToken + mean + 4 * 16))
  expect(plan.layers[0]!.keys.transform).toBe('center-hadamard')
  expect(plan.layers[0]!.values.transform).toBe('none')
})

test('the first and last layers stay exact on request', () => {
  const { plan } = resolved({ exactLayers: 1 })
  expect(plan.layers.map(({ segments }) => segments.length)).toEqual([1, 2, 2, 1])
})

test('keys that are far from 0 together come back the better for their mean', () => {
  const [tokens, headDim] = [64, 64]
  const keys = Float32Array.from({ length: tokens * headDim }, (_, i) => (i % headDim) / 4 + Math.sin(i * i))
  const errorOf = (center: boolean) => {
    const layer = resolved({ bits: 3, center }).plan.layers[0]!
    const means = center ? meanRow(keys, headDim) : undefined
    const stored = transformRows(keys, headDim, layer.keys, means)
    const back = restoreRows(
      readBack(stored, tokens, headDim, layer.segments[0]!.key),
      headDim,
      layer.keys,
      means,
    )
    return back.reduce((sum, x, i) => sum + (x - keys[i]!) ** 2, 0)
  }
  expect(errorOf(true)).toBeLessThan(0.05 * errorOf(false))
})
