import { expect, test } from 'vitest'
import {
  quantizeReference,
  roundBf16,
  roundF16,
  roundHalfEven,
  selectTokens,
  smoothScores,
  type SelectionPlan,
} from '../src/index.ts'
import { packedFormat, solverOf } from '@qpkv/spec'

const plan = (extra: Partial<SelectionPlan>): SelectionPlan => ({
  tokens: { perHead: 4, pool: 'head', floor: 0 },
  protect: { first: 0, last: 1 },
  stages: [],
  order: 'position',
  ...extra,
})

test('selection keeps the best, protects the ends and breaks ties to the lower position', () => {
  const scores = Float32Array.of(1, 5, 5, 5, 0, 2, 9)
  const kept = (extra: Partial<SelectionPlan>) => [...selectTokens(scores, 1, 7, plan(extra))[0]!]
  expect(kept({})).toEqual([1, 2, 3, 6])
  expect(kept({ tokens: { perHead: 3, pool: 'head', floor: 0 } })).toEqual([1, 2, 6])
  expect(kept({ protect: { first: 2, last: 1 } })).toEqual([0, 1, 2, 6])
  expect(kept({ order: 'score', protect: { first: 0, last: 2 } })).toEqual([1, 2, 5, 6])
  expect(kept({ tokens: { perHead: [5], pool: 'head', floor: 0 } })).toEqual([1, 2, 3, 5, 6])
  // Named positions are kept whatever their score, the others compete for what is left.
  expect(kept({ protect: { first: 0, last: 1, positions: [0, 4] } })).toEqual([0, 1, 4, 6])
  expect(kept({ order: 'score', protect: { first: 0, last: 1, positions: [4] } })).toEqual([4, 1, 2, 6])
  expect([...selectTokens(scores, 1, 7, plan({}), 4)[0]!]).toEqual([3, 4, 5, 6])
})

test('a score that is not a number is an error', () => {
  expect(() => selectTokens(Float32Array.of(1, NaN, 3), 1, 3, plan({}))).toThrow(
    expect.objectContaining({ code: 'KV_NUMERIC' }),
  )
})

test('pooling at the edges', () => {
  const scores = Float32Array.of(3, 0, 6)
  expect([...smoothScores(scores, { pool: 'mean', kernel: 3, padding: 'zeros-count' })]).toEqual([1, 3, 2])
  expect([...smoothScores(scores, { pool: 'mean', kernel: 3, padding: 'valid' })]).toEqual([1.5, 3, 3])
  expect([...smoothScores(scores, { pool: 'max', kernel: 3, padding: 'zeros-count' })]).toEqual([3, 6, 6])
})

test('rounding to half, bfloat16 and integers goes to even', () => {
  expect([0.5, 1.5, 2.5, -0.5, -1.5].map((x) => roundHalfEven(x) + 0)).toEqual([0, 2, 2, 0, -2])
  expect(roundF16(65504)).toBe(65504)
  expect(roundF16(65520)).toBe(Infinity)
  expect(roundF16(1 + 2 ** -11)).toBe(1)
  expect(roundF16(1 + 3 * 2 ** -11)).toBe(1 + 2 ** -9)
  expect(roundF16(2 ** -25)).toBe(0)
  expect(roundF16(3 * 2 ** -25)).toBe(2 ** -23)
  expect(roundBf16(1 + 2 ** -8)).toBe(1)
  expect(roundBf16(1 + 3 * 2 ** -8)).toBe(1 + 2 ** -6)
})

test('codes use the rounded scale and minimum; a flat group takes its minimum', () => {
  const format = packedFormat({ bits: 2, scalePer: 'token', group: 8 })
  const x = Float32Array.of(0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 1, 7.1, 7.1, 7.1, 7.1, 7.1, 7.1, 7.1, 7.1)
  const { codes, scales, offsets, values } = quantizeReference(x, 1, 16, format)
  expect(scales[0]).toBe(roundF16(1 / 3))
  expect([...codes.subarray(0, 8)]).toEqual([0, 0, 1, 1, 1, 2, 2, 3])
  expect(scales[1]).toBe(0)
  expect(offsets[1]).toBe(roundF16(7.1))
  expect(values[8]).toBe(roundF16(7.1))
})

test('a ragged last group has its own scale', () => {
  const format = packedFormat({ bits: 8, scalePer: 'channel', group: 16 })
  const x = Float32Array.from({ length: 20 * 8 }, (_, i) => Math.sin(i))
  const { scales, values } = quantizeReference(x, 20, 8, format)
  expect(scales.length).toBe(2 * 8)
  values.forEach((v, i) => expect(Math.abs(v - x[i]!)).toBeLessThan(0.01))
})

test('an integer zero point gives zero back exactly', () => {
  const format = packedFormat({ bits: 8, scalePer: 'token', group: 8, zero: 'integer' })
  const x = Float32Array.of(-1, 0, 0.5, 3, 2, 0, -0.25, 1)
  const { offsets, values } = quantizeReference(x, 1, 8, format)
  expect(Number.isInteger(offsets[0])).toBe(true)
  expect(values[1]).toBe(0)
  values.forEach((v, i) => expect(Math.abs(v - x[i]!)).toBeLessThan(0.01))
})

test('outliers are exact, within their capacity, and leave the range to the others', () => {
  const format = packedFormat({ bits: 2, scalePer: 'token', group: 64, outliers: 0.01 })
  const x = Float32Array.from({ length: 10 * 64 }, (_, i) => Math.sin(i))
  x[100] = 50
  const { outliers, values } = quantizeReference(x, 10, 64, format)
  expect(outliers.reduce((a, b) => a + b, 0)).toBe(7)
  expect(values[100]).toBe(50)
  values.forEach((v, i) => expect(Math.abs(v - x[i]!)).toBeLessThan(0.4))
})

test('the proximal solver brings packed values closer in its norm than min-max, and leaves constant groups alone', () => {
  const x = Float32Array.from({ length: 200 * 16 }, (_, i) => Math.sin(i * 1.7) ** 3 + (i % 97 === 0 ? 2 : 0))
  x.fill(0.5, 0, 16)
  const format = (version?: '0.2.2' | '0.2.8') =>
    packedFormat({
      bits: 2,
      scalePer: 'token',
      group: 16,
      ...(version && { solver: solverOf(`hqq-${version}`) }),
    })
  const norm = (values: Float32Array) => values.reduce((sum, v, i) => sum + Math.abs(v - x[i]!) ** 0.7, 0)
  const plain = quantizeReference(x, 200, 16, format())
  for (const version of ['0.2.2', '0.2.8'] as const) {
    const solved = quantizeReference(x, 200, 16, format(version))
    expect(norm(solved.values)).toBeLessThan(norm(plain.values))
    expect([...solved.values.subarray(0, 16)]).toEqual(Array.from({ length: 16 }, () => 0.5))
  }
})

test('metadata beyond half precision take its largest value', () => {
  const x = Float32Array.of(-1e6, 1e6, 0, 5, 0, 0, 0, 0)
  const { values, offsets } = quantizeReference(
    x,
    1,
    8,
    packedFormat({ bits: 8, scalePer: 'token', group: 8 }),
  )
  expect(offsets[0]).toBe(-65504)
  expect(values.every(Number.isFinite)).toBe(true)
})
