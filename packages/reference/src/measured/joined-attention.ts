import type { StatisticNode } from '@qpkv/spec'
import { dot, softmax } from '../arithmetic.ts'
import { observingQueries } from './attention.ts'
import { rowOf, type LayerTensors } from '../layer-tensors.ts'

/** [kvHeads][tokens]: mean attention of the observing queries over the tokens before them, logits joined first. */
export function joinedAttention(
  { queries, join }: Extract<StatisticNode, { stat: 'joined-attention' }>,
  tensors: LayerTensors,
): Float64Array[] {
  const { q, k, queryHeads, kvHeads, tokens, headDim } = tensors
  const { from, end } = observingQueries(queries, tensors)
  const group = queryHeads / kvHeads
  return Array.from({ length: kvHeads }, (_, head) => {
    const sums = new Float64Array(tokens)
    if (from === 0) return sums
    for (let query = from; query < end; query++) {
      const joined = Array.from({ length: from }, (_, t) => {
        const key = rowOf(k, tensors, head, t)
        const logits = Array.from(
          { length: group },
          (_, g) => dot(rowOf(q, tensors, head * group + g, query), key) / Math.sqrt(headDim),
        )
        return join === 'max' ? Math.max(...logits) : logits.reduce((a, b) => a + b, 0) / group
      })
      softmax(joined).forEach((p, t) => (sums[t]! += p / (end - from)))
    }
    return sums
  })
}
