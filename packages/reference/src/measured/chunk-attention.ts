import type { StatisticNode } from '@qpkv/spec'
import { dot, softmax } from '../arithmetic.ts'
import { rowOf, type LayerTensors } from '../layer-tensors.ts'

/** [queryHeads][tokens]: attention within chunks, summed over the queries of the chunk; 0 for tokens left out. */
export function chunkAttention(
  node: Extract<StatisticNode, { stat: 'chunk-attention' }>,
  tensors: LayerTensors,
): Float64Array[] {
  const { q, k, queryHeads, kvHeads, tokens, headDim } = tensors
  const scale = node.logits === 'scaled' ? 1 / Math.sqrt(headDim) : 1
  return Array.from({ length: queryHeads }, (_, head) => {
    const sums = new Float64Array(tokens)
    const kvHead = Math.floor(head / (queryHeads / kvHeads))
    const end = tokens - node.last
    for (let begin = node.first; begin < end; begin += node.chunk) {
      const stop = Math.min(begin + node.chunk, end)
      const empty = node.padding === 'zeros' ? node.chunk - (stop - begin) : 0
      for (let row = begin; row < stop; row++) {
        const own = rowOf(q, tensors, head, row)
        const seen = node.mask === 'causal' ? row + 1 : stop
        const logits = Array.from(
          { length: seen - begin },
          (_, i) => dot(own, rowOf(k, tensors, kvHead, begin + i)) * scale,
        )
        const p = softmax([...logits, ...Array.from({ length: empty }, () => 0)])
        for (let t = begin; t < seen; t++) sums[t]! += p[t - begin]!
      }
      // Every empty query looks at all tokens alike.
      for (let t = begin; t < stop; t++) sums[t]! += empty / (empty + stop - begin)
    }
    return sums
  })
}
