import type { Queries, StatisticNode } from '@qpkv/spec'
import { dot, softmax } from '../arithmetic.ts'
import { rowOf, type LayerTensors } from '../layer-tensors.ts'

type AttentionNode = Extract<StatisticNode, { stat: 'attention' }>

/** [queryHeads][tokens]: probabilities that each key receives, reduced over the observing queries. */
export function attention(
  node: AttentionNode,
  tensors: LayerTensors,
  { protectLast }: { readonly protectLast: number },
): Float64Array[] {
  const { queryHeads, tokens } = tensors
  const { from, end } = observingQueries(node.queries, tensors)
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

/** Positions of the queries that observe. */
export function observingQueries(
  queries: Queries,
  { tokens, userEnd = tokens }: LayerTensors,
): { readonly from: number; readonly end: number } {
  const end = queries !== 'all' && queries.before === 'user-end' ? userEnd : tokens
  return { from: queries === 'all' ? 0 : Math.max(0, end - queries.last), end }
}

/** Attention of one query over the keys up to its own, [query + 1]. */
export const causalProbabilities = (tensors: LayerTensors, head: number, query: number): Float64Array =>
  probabilities(tensors, head, query, true)

/** Softmax of one query's logits over the keys that it sees. */
function probabilities(tensors: LayerTensors, head: number, query: number, causal: boolean): Float64Array {
  const { q, k, queryHeads, kvHeads, tokens, headDim } = tensors
  const kvHead = Math.floor(head / (queryHeads / kvHeads))
  const own = rowOf(q, tensors, head, query)
  const logits = Float64Array.from({ length: causal ? query + 1 : tokens }, (_, t) => {
    return dot(own, rowOf(k, tensors, kvHead, t)) / Math.sqrt(headDim)
  })
  return softmax(logits)
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
