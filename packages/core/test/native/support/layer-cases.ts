import type {
  LayerPlan,
  PackedFormat,
  ScoreNode,
  SegmentPlan,
  SelectionStage,
  StatisticNode,
  TensorFormat,
} from '@qpkv/spec'
import type { LayerCacheOptions } from '../../support/probe.ts'
import { layerPlan } from './open-model.ts'
import { randomValues } from './random-values.ts'

export const exact = (element: 'bf16' | 'f16' | 'f32' = 'f32'): TensorFormat => ({
  bits: 16,
  element,
})

export const packed = (
  bits: PackedFormat['bits'],
  scalePer: 'channel' | 'token',
  group = 32,
  fields: Partial<PackedFormat> = {},
): PackedFormat => ({
  bits,
  scalePer,
  group,
  metadata: 'f32',
  zero: 'float-minimum',
  levels: 'uniform',
  solver: { kind: 'min-max' },
  outliers: 0,
  ...fields,
})

/** Packed keys and values, the last `recent` tokens exact. */
export const segments = (
  key: TensorFormat,
  value: TensorFormat,
  recent: number,
  options: { sinks?: number; element?: 'bf16' | 'f16' | 'f32' } = {},
): SegmentPlan[] => {
  const plain = exact(options.element)
  return [
    ...(options.sinks ? [{ role: 'sinks', tokens: options.sinks, key: plain, value: plain } as const] : []),
    { role: 'packed', tokens: 'rest', key, value },
    { role: 'recent', tokens: recent, key: plain, value: plain },
  ]
}

/** Attention of the last 16 queries, or of those given, as the one score; the mean over the query heads of a KV head. */
export const attentionScore = (fields: Partial<StatisticNode & { stat: 'attention' }> = {}): ScoreNode => ({
  op: 'group',
  by: 'mean',
  of: [
    {
      stat: 'attention',
      queries: { last: 16, before: 'prompt-end' },
      mask: 'causal',
      reduce: 'sum',
      ...fields,
    },
  ],
})

/** The maximum over seven tokens. */
export const pooled = (score: ScoreNode): ScoreNode => ({
  op: 'pool',
  pool: 'max',
  kernel: 7,
  padding: 'zeros-count',
  of: [score],
})

/** One stage. */
export const stage = (score: ScoreNode): { stages: readonly [SelectionStage] } => ({
  stages: [{ score, share: 1 }],
})

/** How later tokens leave the window, by name. */
export const residuals = {
  groups: { keys: 'group', values: 'group' },
  blocks: { keys: 'block', values: 'token' },
  never: { keys: 'never', values: 'never' },
} as const

export interface LayerCase {
  readonly tokens: number
  readonly queryHeads?: number
  readonly kvHeads?: number
  readonly headDim?: number
  readonly heads?: 'kv' | 'query'
  readonly precision?: 'bf16' | 'f32'
  readonly seed?: number
  readonly slidingWindow?: number
  readonly plan?: Partial<LayerPlan>
}

/** Options of createLayerCache() over seeded q, k and v. */
export function layerCase(given: LayerCase): LayerCacheOptions {
  const { tokens, queryHeads = 4, kvHeads = 2, headDim = 64, heads = 'kv', seed = 1 } = given
  const plan = layerPlan(tokens, given.plan)
  return {
    q: randomValues(tokens * queryHeads * headDim, seed),
    k: randomValues(kvHeads * tokens * headDim, seed + 1),
    v: randomValues(kvHeads * tokens * headDim, seed + 2),
    tokens,
    queryHeads,
    kvHeads,
    headDim,
    heads,
    precision: given.precision ?? 'f32',
    plan,
    ...(given.slidingWindow !== undefined && { slidingWindow: given.slidingWindow }),
  }
}

/** Rows [head][count] of K or V of the given shape, from token `first` on: [kvHeads, count, headDim]. */
export function sliceTokens(
  values: Float32Array,
  kvHeads: number,
  headDim: number,
  first: number,
  count: number,
): Float32Array {
  const tokens = values.length / kvHeads / headDim
  const out = new Float32Array(kvHeads * count * headDim)
  for (let head = 0; head < kvHeads; head++)
    out.set(
      values.subarray((head * tokens + first) * headDim, (head * tokens + first + count) * headDim),
      head * count * headDim,
    )
  return out
}
