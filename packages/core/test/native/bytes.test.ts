import { headBytes, meanBytes, type LayerPlan, type TensorFormat } from '@qpkv/spec'
import { expect, test } from 'vitest'
import { exact, layerCase, packed, residuals, segments, sliceTokens } from './support/layer-cases.ts'
import { addon, exactSegments } from './support/open-model.ts'

const engine = addon.createEngine({ threads: 2 })

const plans: Record<string, Partial<LayerPlan>> = {
  exact: {},
  'exact bf16': { segments: exactSegments('bf16') },
  'keys 4 bit per channel, values per token': {
    segments: segments(packed(4, 'channel'), packed(4, 'token'), 32),
  },
  '2 bit, f16 metadata, bf16 window of 8': {
    segments: segments(
      packed(2, 'channel', 32, { metadata: 'f16' }),
      packed(2, 'token', 32, { metadata: 'f16' }),
      8,
      { element: 'bf16' },
    ),
  },
  '3 and 1 bit': { segments: segments(packed(3, 'channel', 64), packed(1, 'token', 16), 16) },
  '8 bit, integer zeros, sinks': {
    segments: segments(
      packed(8, 'token', 64, { zero: 'integer' }),
      packed(8, 'token', 64, { zero: 'integer' }),
      32,
      {
        sinks: 5,
      },
    ),
  },
  outliers: {
    segments: segments(
      packed(4, 'channel', 128, { outliers: 0.01 }),
      packed(4, 'token', 32, { outliers: 0.02 }),
      32,
    ),
  },
  'values beyond a size, later tokens exact': {
    segments: segments(
      packed(4, 'token', 32, { outliers: 0.01, outlierRule: { kind: 'beyond', threshold: 2 } }),
      packed(2, 'channel', 64, { outliers: 0.05, outlierRule: { kind: 'beyond', threshold: 1 } }),
      0,
    ),
    residual: residuals.never,
  },
  'exact keys, packed values': { segments: segments(exact('f16'), packed(4, 'token'), 32) },
  'the KIVI rule': {
    segments: segments(packed(2, 'channel'), packed(2, 'token'), 32),
    residual: residuals.blocks,
  },
  'centred, by norms and balanced': {
    segments: segments(
      packed(2, 'token', 256, {
        zero: 'none',
        levels: { codebook: [-1, -0.3, 0.3, 1] },
        solver: { kind: 'norm', spread: 0.2, keep: true },
      }),
      packed(2, 'token', 256, { balance: { steps: 3 }, metadata: 'f16' }),
      16,
    ),
    keys: { rope: 'after', transform: 'center-hadamard' },
    values: { transform: 'hadamard' },
  },
  'balanced keys, zeros in scales': {
    segments: segments(
      packed(4, 'channel', 128, { balance: { steps: 2 }, metadata: 'f16' }),
      packed(4, 'token', 256, { zero: 'in-scale' }),
      16,
    ),
    keys: { rope: 'after', transform: 'hadamard' },
  },
  'no window': { segments: segments(packed(4, 'channel'), packed(4, 'token'), 0) },
}
const shapes = [
  { queryHeads: 4, kvHeads: 2, headDim: 64 },
  { queryHeads: 3, kvHeads: 1, headDim: 40 },
  ...[4, 6, 10, 20, 48, 72, 80, 96, 100, 128, 256].map((headDim) => ({ queryHeads: 2, kvHeads: 1, headDim })),
] as const

/** The plan with groups of channels that a head of `headDim` has. */
const fitted = (plan: Partial<LayerPlan>, headDim: number): Partial<LayerPlan> => {
  const fit = (format: TensorFormat): TensorFormat =>
    format.bits !== 16 && format.scalePer === 'token' && format.group > headDim
      ? { ...format, group: headDim }
      : format
  const { segments: given } = plan
  if (!given) return plan
  return { ...plan, segments: given.map((s) => ({ ...s, key: fit(s.key), value: fit(s.value) })) }
}

test.each(Object.keys(plans))('the allocator hands out what the plan says, to the byte: %s', async (name) => {
  for (const shape of shapes)
    for (const heads of ['kv', 'query'] as const)
      for (const tokens of [1, 15, 16, 33, 128, 129, 300]) {
        const options = layerCase({ tokens, ...shape, heads, plan: fitted(plans[name] ?? {}, shape.headDim) })
        const cache = await engine.createLayerCache(options)
        const stored = heads === 'kv' ? shape.kvHeads : shape.queryHeads
        const bytes = cache.bytes()
        expect(bytes.planned, `${tokens} tokens`).toBe(
          stored * headBytes(options.plan, tokens, shape.headDim) +
            meanBytes(options.plan, stored, shape.headDim),
        )
        expect(bytes).toMatchObject({ grown: 0, unused: 0 })
        cache.dispose()
      }
})

test('later tokens are counted as grown, and unused says what is mapped beside them', async () => {
  const options = layerCase({ tokens: 300, plan: plans['keys 4 bit per channel, values per token'] ?? {} })
  const cache = await engine.createLayerCache(options)
  const before = cache.bytes()
  const k = sliceTokens(options.k, 2, 64, 0, 200)
  await cache.append(k, k, 200)
  const after = cache.bytes()
  expect(after.planned).toBe(before.planned)
  // 192 of 200 tokens leave the window in six groups; 8 more stay exact beside the 32 of the window, laid out in blocks of 16.
  const group = headBytes(
    { ...options.plan, segments: segments(packed(4, 'channel'), packed(4, 'token'), 0) },
    32,
    64,
  )
  const blockOf16 = 2 * 16 * 64 * 4
  expect(after.grown).toBe(2 * (6 * group + blockOf16))
  expect(after.unused).toBeGreaterThanOrEqual(0)
})
