import type { CompressionPlan } from '@qpkv/spec'
import { wantsReplay } from '../replay.ts'
import type { Held } from './estimate.ts'

/** What specs make a prefill hold beside the layer that runs, for prefillPeakBytes(). */
export function heldBy(specs: readonly { readonly plan: CompressionPlan }[]): Held {
  const pooled = specs.find(({ plan }) => plan.layers.some(({ tokens }) => tokens.pool === 'model'))
  return {
    heldLayers: pooled ? pooled.plan.layers.length : 1,
    replays: specs.some(({ plan }) => wantsReplay(plan)),
  }
}
