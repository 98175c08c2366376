import { openArrays, randomValues, readJson, type ArrayRef } from '@qpkv/conformance'
import { codeHqq } from '@qpkv/quantizer-kivi'
import { readBack } from '@qpkv/reference'
import { resolve, type PackedFormat } from '@qpkv/spec'
import { expect, test } from 'vitest'
import { kvquant } from '../src/index.ts'

const model = { layers: 2, queryHeads: 4, kvHeads: 2, headDim: 128 }
const planOf = (options: object = {}, precision: 'bf16' | 'f32' = 'bf16') =>
  resolve(
    { quantize: kvquant({ profile: 'qpruningkv', ...options }) },
    undefined,
    model,
    { tokens: 256 },
    { precision },
  )

test('the profile is stored in true tiles: uniform codes after RoPE, values beyond 6 apart', () => {
  const { plan, hooks } = planOf({ bits: 2 })
  expect(hooks).toEqual({})
  for (const layer of plan.layers) {
    expect(layer.simulated).toBeUndefined()
    expect(layer.residual).toEqual({ keys: 'never', values: 'never' })
    expect(layer.keys.rope).toBe('after')
    const [packed, recent] = layer.segments
    expect([packed!.role, recent!.role, recent!.tokens]).toEqual(['packed', 'recent', 0])
    const shared = {
      bits: 2,
      group: 64,
      levels: 'uniform',
      zero: 'float-minimum',
      solver: { kind: 'min-max' },
      outliers: 0.05,
      outlierRule: { kind: 'beyond', threshold: 6 },
    }
    expect(packed!.key).toMatchObject({ ...shared, scalePer: 'token' })
    expect(packed!.value).toMatchObject({ ...shared, scalePer: 'channel' })
  }
  expect(plan.notes).toBeUndefined()
})

test('keys read back as in the released code, where its outliers find room', () => {
  const tokens = 256
  const x = randomValues(tokens * 128, 5, 2.7)
  for (const bits of [8, 4, 3, 2] as const) {
    const key = planOf({ bits }, 'f32').plan.layers[0]!.segments[0]!.key as PackedFormat
    const theirs = codeHqq(x, {
      bits,
      axis: 1,
      group: 64,
      version: '0.2.2',
      optimize: false,
      threshold: 6,
      compute: 'f32',
    })
    expect(theirs.outliers).toBeGreaterThan(200)
    expect(theirs.outliers).toBeLessThan(0.05 * x.length)
    readBack(x, tokens, 128, key).forEach((v, i) =>
      expect(Math.abs(v - theirs.values[i]!)).toBeLessThan(2e-5),
    )
  }
})

test('outliers, threshold, sinks and widths of a layer are the caller’s', () => {
  const key = (options: object) =>
    planOf(options).plan.layers[0]!.segments.find((s) => s.role === 'packed')!.key
  expect(key({ threshold: 4, outliers: 0.02 })).toMatchObject({
    outliers: 0.02,
    outlierRule: { kind: 'beyond', threshold: 4 },
  })
  expect(key({ outliers: 0 })).not.toHaveProperty('outlierRule')
  expect(planOf({ sinks: 4, recent: 16 }).plan.layers[0]!.segments.map((s) => s.tokens)).toEqual([
    4,
    'rest',
    16,
  ])
  const { plan } = resolve(
    { quantize: kvquant({ profile: 'qpruningkv' }), layers: [{ from: 0, to: 1, keyBits: 8, valueBits: 16 }] },
    undefined,
    model,
    { tokens: 64 },
  )
  const [first] = plan.layers
  expect(first!.segments[0]!.key).toMatchObject({ bits: 8, outlierRule: { kind: 'beyond' } })
  expect(first!.segments[0]!.value.bits).toBe(16)
  expect(() => resolve({ quantize: kvquant({ threshold: 6 }) }, undefined, model, { tokens: 64 })).toThrow(
    expect.objectContaining({ code: 'KV_CONFLICT', message: expect.stringContaining('quantize.threshold') }),
  )
})

test('values lose about as much as in the released code, whose groups no tile of one head can hold', () => {
  const ratios: number[] = []
  for (const name of ['kvquant-value-2bit', 'kvquant-value-3bit']) {
    const file = readJson(new URL(`goldens/${name}.json`, import.meta.url)) as {
      cases: Record<'calib' | 'eval', ArrayRef>[]
    }
    const arrays = openArrays(new URL(`goldens/${name}.bin`, import.meta.url))
    for (const ref of [file.cases[0]!.calib, file.cases[0]!.eval]) {
      const x = arrays.floats(ref)
      const [tokens = 0, headDim = 0] = ref.shape
      const error = (back: Float32Array) => x.reduce((sum, v, i) => sum + (v - back[i]!) ** 2, 0)
      for (const bits of [8, 4, 3, 2] as const) {
        const value = planOf({ bits }).plan.layers[0]!.segments[0]!.value
        const theirs = codeHqq(x, {
          bits,
          axis: 0,
          group: 64,
          version: '0.2.2',
          optimize: false,
          threshold: 6,
          compute: 'f16',
        })
        ratios.push(error(readBack(x, tokens, headDim, value)) / error(theirs.values))
      }
    }
  }
  // The README states these bounds. The lower one is of 96 tokens, whose last group holds 32.
  expect(Math.min(...ratios)).toBeGreaterThan(0.65)
  expect(Math.max(...ratios)).toBeLessThan(1.05)
})
