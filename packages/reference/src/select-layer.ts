import type { LayerPlan } from '@qpkv/spec'
import { evaluateScore } from './evaluate-score.ts'
import type { LayerTensors } from './layer-tensors.ts'
import type { Scores } from './operations.ts'
import { selectTokens } from './select-tokens.ts'

/** What a layer's plan makes of its tensors. */
export interface LayerSelection {
  /** Per stage: [storedHeads][tokens - protect.last]. */
  readonly scores: readonly Scores[]
  /** Kept positions per stored head, in storage order. */
  readonly kept: readonly Int32Array[]
}

/** Scores and kept tokens of one layer; `candidates` are the last tokens that a sliding window still sees, all by default. */
export function selectLayer(
  plan: LayerPlan,
  heads: 'kv' | 'query',
  tensors: LayerTensors,
  candidates: number = tensors.tokens,
): LayerSelection {
  const { tokens, queryHeads, kvHeads } = tensors
  const stored = heads === 'query' ? queryHeads : kvHeads
  const context = { heads, protectLast: plan.protect.last }
  const scores = plan.stages.map(({ score }) => evaluateScore(score, tensors, context))
  const flat = scores.map((rows) => {
    const all = new Float32Array(stored * tokens)
    for (const [head, row] of rows.entries()) all.set(row, head * tokens)
    return all
  })
  return {
    scores,
    kept: selectTokens(flat.length === 0 ? undefined : flat, stored, tokens, plan, candidates),
  }
}
