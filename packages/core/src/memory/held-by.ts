import type { CompressionPlan } from '@qpkv/spec'
import type { ModelConfig } from '../model/config.ts'
import type { ModelPrecision, NativeEngine } from '../native/addon.ts'
import { wantsReplay } from '../replay.ts'
import type { Held } from './estimate.ts'

/** What specs make a prefill hold beside the layer that runs, for prefillPeakBytes(). */
export function heldBy(
  engine: Pick<NativeEngine, 'observedMemory'>,
  { queryHeads, kvHeads, headDim }: Pick<ModelConfig, 'queryHeads' | 'kvHeads' | 'headDim'>,
  tokens: number,
  specs: readonly { readonly plan: CompressionPlan }[],
  precision: ModelPrecision,
): Held {
  const plans = specs.map(({ plan }) => plan)
  const pooled = plans.find(({ layers }) => layers.some((layer) => layer.tokens.pool === 'model'))
  const observed = engine.observedMemory({ tokens, queryHeads, kvHeads, headDim, plans })
  const bytes = observed.map((layer) => layer.bytes)
  return {
    heldLayers: pooled ? pooled.layers.length : 1,
    replays: plans.some(wantsReplay),
    keysBefore:
      observed.some(({ keysBefore }) => keysBefore) ||
      plans.some(({ layers }) => layers.some(({ keys }) => keys.rope === 'before')),
    queriesBefore: observed.some(({ queriesBefore }) => queriesBefore),
    fast: precision === 'bf16-fast',
    observes: bytes.some((own) => own > 0),
    // Layers that share places keep what was measured until the last one.
    observedBytes: pooled ? bytes.reduce((sum, own) => sum + own, 0) : Math.max(0, ...bytes),
  }
}
