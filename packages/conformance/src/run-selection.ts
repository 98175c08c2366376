import { selectLayer } from '@qpkv/reference'
import { resolve, type SpecInput } from '@qpkv/spec'
import type { SelectionCase, SelectionInput } from './selection-goldens.ts'

/** What our selection gave for a recorded case. */
export interface SelectionRun {
  /** Per head: what selection compared. */
  readonly scores: readonly Float32Array[]
  /** Per head, in storage order. */
  readonly kept: readonly Int32Array[]
}

/** Runs a recorded case through resolve() and the reference observation and selection. */
export function runSelection(
  recorded: SelectionCase,
  input: SelectionInput,
  spec: Pick<SpecInput, 'prune' | 'budget'>,
): SelectionRun {
  const layers = recorded.params.num_hidden_layers ?? 1
  const { plan } = resolve({ heads: recorded.heads, ...spec }, undefined, { ...input, layers }, input)
  const layer = plan.layers[recorded.params.layer_idx ?? 0]!
  const { scores, kept } = selectLayer(layer, recorded.heads, input)
  return { scores: scores[0] ?? [], kept }
}

/** Largest |ours - recorded| / recorded over all heads; 0 where the case recorded no scores. */
export function scoreError(
  ours: readonly Float32Array[],
  recorded: readonly Float32Array[] | undefined,
): number {
  let worst = 0
  for (const [h, scores] of (recorded ?? []).entries())
    for (const [t, score] of scores.entries())
      worst = Math.max(worst, Math.abs(ours[h]![t]! - score) / Math.max(Math.abs(score), 1e-30))
  return worst
}
