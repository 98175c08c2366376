import type { StatisticNode } from '@qpkv/spec'
import { causalProbabilities, observingQueries } from './attention.ts'
import { needed, rowOf, type LayerTensors } from '../layer-tensors.ts'

/** [queryHeads][tokens]: squared change of the observing queries' outputs if a token alone were dropped. */
export function dropError(
  node: Extract<StatisticNode, { stat: 'drop-error' }>,
  tensors: LayerTensors,
): Float64Array[] {
  const { queryHeads, kvHeads, tokens, headDim } = tensors
  const v = needed(tensors, 'v')
  const { from, end } = observingQueries(node.queries, tensors)
  return Array.from({ length: queryHeads }, (_, head) => {
    const kvHead = Math.floor(head / (queryHeads / kvHeads))
    const losses = new Float64Array(tokens)
    for (let query = from; query < end; query++) {
      const p = causalProbabilities(tensors, head, query)
      const output = Float64Array.from({ length: headDim }, (_, d) =>
        p.reduce((sum, weight, t) => sum + weight * rowOf(v, tensors, kvHead, t)[d]!, 0),
      )
      for (let t = 0; t <= query; t++) {
        const seen = Math.min(p[t]!, 0.999)
        const odds = seen / (1 - seen)
        const value = rowOf(v, tensors, kvHead, t)
        losses[t]! += output.reduce((sum, o, d) => sum + (odds * (o - value[d]!)) ** 2, 0)
      }
    }
    return losses
  })
}
