import type { StatisticNode } from '@qpkv/spec'
import { needed, rowOf, type LayerTensors } from '../layer-tensors.ts'
import { normOf } from '../norm-of.ts'

/** [queryHeads][tokens]: how far a value goes into the stream through each query head. */
export const valueOutputNorm = (
  { norm }: Extract<StatisticNode, { stat: 'value-output-norm' }>,
  tensors: LayerTensors,
): Float64Array[] => Array.from({ length: tensors.queryHeads }, (_, head) => outputNorms(tensors, head, norm))

/** [tokens]: norms of the values of a query head after its columns of the output projection. */
function outputNorms(tensors: LayerTensors, head: number, norm: 1 | 2): Float64Array {
  const { queryHeads, kvHeads, tokens, headDim } = tensors
  const w = needed(tensors, 'outputWeight')
  const columns = queryHeads * headDim
  const hidden = w.length / columns
  const kvHead = Math.floor(head / (queryHeads / kvHeads))
  return Float64Array.from({ length: tokens }, (_, t) => {
    const value = rowOf(needed(tensors, 'v'), tensors, kvHead, t)
    const out = Float64Array.from({ length: hidden }, (_, i) =>
      value.reduce((sum, x, d) => sum + x * w[i * columns + head * headDim + d]!, 0),
    )
    return normOf(out, norm)
  })
}
