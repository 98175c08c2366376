import { rowOf, type LayerTensors } from '../layer-tensors.ts'
import { normOf } from '../norm-of.ts'

/** [kvHeads][tokens]: how like each key is to the others of its head. */
export const keySimilarity = (_: unknown, tensors: LayerTensors): Float64Array[] =>
  Array.from({ length: tensors.kvHeads }, (_, head) => similarities(tensors, head))

/** [tokens]: cosines with the mean of the head's normalized keys. */
function similarities(tensors: LayerTensors, head: number): Float64Array {
  const { k, tokens, headDim } = tensors
  const key = (t: number) => rowOf(k, tensors, head, t)
  const norms = Float64Array.from({ length: tokens }, (_, t) => normOf(key(t), 2))
  const mean = new Float64Array(headDim)
  for (let t = 0; t < tokens; t++) key(t).forEach((x, d) => (mean[d]! += x / (norms[t]! || 1) / tokens))
  const size = normOf(mean, 2)
  return norms.map((norm, t) => key(t).reduce((sum, x, d) => sum + x * mean[d]!, 0) / (norm * size || 1))
}
