import { expect, test } from 'vitest'
import {
  defineAllocator,
  definePruner,
  defineQuantizer,
  headBytes,
  layerBytes,
  oneOf,
  packedFormat,
  parseSpec,
  planBytes,
  printSpec,
  resolve,
  segmentTokens,
  tierCount,
} from '../src/index.ts'

const model = { layers: 2, queryHeads: 4, kvHeads: 2, headDim: 64 }
const rows = defineQuantizer({
  name: 'rows',
  paper: '',
  options: { bits: oneOf([8, 4, 2], { default: 4, doc: 'Width.' }) },
  format: ({ bits }, { keyBits, model: { headDim } }) => {
    const format = packedFormat({
      bits: (keyBits === 16 ? 8 : keyBits) ?? bits,
      scalePer: 'token',
      group: headDim,
    })
    return { key: format, value: format, recent: 16 }
  },
})
const norms = definePruner({
  name: 'norms',
  paper: '',
  options: {},
  layer: () => ({ score: { stat: 'key-norm' }, protect: { first: 0, last: 0 } }),
})
const text = 'norms+rows@100t#tiers=8:0.1,4:0.3,2'
const spec = { ...parseSpec(text), prune: norms(), quantize: rows() }

test('the text form and back', () => {
  expect(parseSpec(text).tiers).toEqual([
    { share: 0.1, bits: 8 },
    { share: 0.3, bits: 4 },
    { share: 'rest', bits: 2 },
  ])
  expect(printSpec(parseSpec(text))).toBe(text)
})

test.each([
  ['norms+rows#tiers=8:0.1', /no tier/],
  ['norms+rows#tiers=8,4:0.1,2', /no tier/],
  ['norms+rows#tiers=2:0.1,4', /fewer than 2/],
  ['norms+rows#tiers=8:0.6,4:0.5,2', /less than 1 together/],
  ['norms+rows#tiers=7:0.6,4', /one of 16, 8/],
  ['norms+rows#tiers=8:0.1,4#tiers=8:0.1,4', /twice/],
])('%s is refused', (wrong, words) => {
  expect(() => parseSpec(wrong)).toThrow(words)
})

test('tiers without shares are left to the allocator', () => {
  const open = 'norms+rows@100t#tiers=8,4,2'
  expect(parseSpec(open).tiers).toEqual([
    { share: 'allocated', bits: 8 },
    { share: 'allocated', bits: 4 },
    { share: 'rest', bits: 2 },
  ])
  expect(printSpec(parseSpec(open))).toBe(open)
  const input = { ...parseSpec(open), prune: norms(), quantize: rows() }
  expect(() => resolve(input, undefined, model, { tokens: 400 })).toThrow(/does not say how many tokens/)
  const counts = defineAllocator({
    name: 'counts',
    paper: '',
    options: {},
    countsTiers: true,
    allocate: (_, { layers }) =>
      layers.map(() => ({
        perHead: [100, 60],
        tiers: [
          [20, 0],
          [30, 44],
        ],
      })),
  })
  const { plan, bytes } = resolve({ ...input, allocate: counts() }, undefined, model, { tokens: 400 })
  const layer = plan.layers[0]!
  expect(layer.segments.map(({ tokens }) => tokens)).toEqual([
    { counts: [20, 0] },
    { counts: [30, 44] },
    'rest',
    16,
  ])
  expect([0, 1].map((head) => segmentTokens(layer, 'key', [100, 60][head]!, head))).toEqual([
    [20, 30, 34, 16],
    [0, 44, 0, 16],
  ])
  expect(bytes).toBe(2 * (headBytes(layer, 100, 64, 0) + headBytes(layer, 60, 64, 1)))
  expect(planBytes(plan, model).total).toBe(bytes)
})

test('tiers become segments, and their bytes are exact', () => {
  const { plan, bytes } = resolve(spec, undefined, model, { tokens: 400 })
  const layer = plan.layers[0]!
  expect(layer.segments.map(({ role, tokens, key }) => [role, tokens, key.bits])).toEqual([
    ['packed', { share: 0.1 }, 8],
    ['packed', { share: 0.3 }, 4],
    ['packed', 'rest', 2],
    ['recent', 16, 16],
  ])
  expect(bytes).toBe(2 * 2 * headBytes(layer, 100, 64))
})

test('a budget of bytes is kept whatever heads share', () => {
  for (const bytes of [20_000, 33_333, 50_000]) {
    const resolved = resolve({ ...spec, budget: { bytes } }, undefined, model, { tokens: 2000 })
    expect(resolved.bytes).toBeLessThanOrEqual(bytes)
    expect(resolved.bytes).toBeGreaterThan(0.7 * bytes)
    const layer = resolved.plan.layers[0]!
    const atMost = layerBytes(layer, { pool: 'layer' }, 2, 64)
    for (const [a, b] of [
      [100, 100],
      [17, 183],
      [1, 199],
      [150, 50],
    ] as const)
      expect(headBytes(layer, a, 64) + headBytes(layer, b, 64)).toBeLessThanOrEqual(atMost(100))
  }
})

test('everything kept is tiered by score too', () => {
  const { plan } = resolve({ ...spec, budget: undefined }, undefined, model, { tokens: 50 })
  expect(tierCount(plan.layers[0]!.segments)).toBe(3)
  expect(plan.layers[0]!.stages).toHaveLength(1)
})

test('without a score there are no tiers', () => {
  expect(() =>
    resolve({ ...spec, prune: undefined, budget: undefined }, undefined, model, { tokens: 50 }),
  ).toThrow(/the pruner has none/)
})

test('under a sliding window there are no tiers', () => {
  const windowed = { ...model, slidingWindow: [32, 32] }
  expect(() => resolve(spec, undefined, windowed, { tokens: 50 })).toThrow(/sliding window/)
})

test('an override of bits is about the whole layer', () => {
  const layers = [{ from: 0, to: 1, keyBits: 8, valueBits: 8 }] as const
  const { plan } = resolve({ ...spec, layers }, undefined, model, { tokens: 400 })
  expect(plan.layers.map(({ segments }) => tierCount(segments))).toEqual([1, 3])
})
