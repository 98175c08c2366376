import { perKvHead, rowOf, type LayerTensors } from '../layer-tensors.ts'
import { normOf } from '../norm-of.ts'

/** [kvHeads][tokens]: norms of the keys. */
export const keyNorm = (_: unknown, tensors: LayerTensors): Float64Array[] =>
  perKvHead(tensors, (head, token) => normOf(rowOf(tensors.k, tensors, head, token), 2))
