import type { StatisticNode } from '@qpkv/spec'
import { rowOf, type LayerTensors } from './layer-tensors.ts'

type AttentionNode = Extract<StatisticNode, { stat: 'attention' }>

/** [queryHeads][tokens]: probabilities that each key receives, reduced over the observing queries. */
export function attentionStatistic(
  node: AttentionNode,
  tensors: LayerTensors,
  { protectLast }: { readonly protectLast: number },
): Float64Array[] {
  const { queries } = node
  const { queryHeads, tokens, userEnd = tokens } = tensors
  const end = queries !== 'all' && queries.before === 'user-end' ? userEnd : tokens
  const from = queries === 'all' ? 0 : Math.max(0, end - queries.last)
  return Array.from({ length: queryHeads }, (_, head) => {
    const rows = Array.from({ length: end - from }, (_, i) =>
      probabilities(tensors, head, from + i, node.mask === 'causal' || from + i >= tokens - protectLast),
    )
    return Float64Array.from({ length: tokens }, (_, t) =>
      reduce(
        rows.map((row) => row[t] ?? 0),
        node.reduce,
      ),
    )
  })
}

/** Softmax of one query's logits over the keys that it sees. */
function probabilities(tensors: LayerTensors, head: number, query: number, causal: boolean): Float64Array {
  const { q, k, queryHeads, kvHeads, tokens, headDim } = tensors
  const kvHead = Math.floor(head / (queryHeads / kvHeads))
  const own = rowOf(q, tensors, head, query)
  const logits = Float64Array.from({ length: causal ? query + 1 : tokens }, (_, t) => {
    const key = rowOf(k, tensors, kvHead, t)
    let dot = 0
    for (let d = 0; d < headDim; d++) dot += own[d]! * key[d]!
    return dot / Math.sqrt(headDim)
  })
  const top = logits.reduce((a, b) => Math.max(a, b), -Infinity)
  const weights = logits.map((logit) => Math.exp(logit - top))
  const sum = weights.reduce((a, b) => a + b, 0)
  return weights.map((w) => w / sum)
}

function reduce(values: readonly number[], by: AttentionNode['reduce']): number {
  const sum = values.reduce((a, b) => a + b, 0)
  const mean = sum / values.length
  switch (by) {
    case 'sum':
      return sum
    case 'mean':
      return mean
    case 'max':
      return values.reduce((a, b) => Math.max(a, b), 0)
    case 'variance':
      return values.reduce((total, p) => total + (p - mean) ** 2, 0) / values.length
    case 'entropy':
      break
  }
  return values.reduce((total, p) => total - p * Math.log(p + 1e-10), 0)
}
