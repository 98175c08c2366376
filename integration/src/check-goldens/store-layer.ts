import type { NativeLayerCache, ProbeEngine } from '../../../packages/core/test/support/probe.ts'
import type { LayerPlan } from '@qpkv/spec'

/** Keys and values of one layer, both `[heads, tokens, headDim]`. */
export interface LayerTensors {
  readonly k: Float32Array
  readonly v: Float32Array
  readonly heads: number
  readonly tokens: number
  readonly headDim: number
}

/** One layer stored by a plan that looks at no query, in float32. The caller disposes of it. */
export const storeLayer = (
  engine: ProbeEngine,
  { k, v, heads, tokens, headDim }: LayerTensors,
  plan: LayerPlan,
): Promise<NativeLayerCache> =>
  engine.createLayerCache({
    q: new Float32Array(tokens * heads * headDim),
    k,
    v,
    tokens,
    queryHeads: heads,
    kvHeads: heads,
    headDim,
    heads: 'kv',
    plan,
    precision: 'f32',
  })
