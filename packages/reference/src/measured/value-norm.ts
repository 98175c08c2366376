import type { StatisticNode } from '@qpkv/spec'
import { needed, perKvHead, rowOf, type LayerTensors } from '../layer-tensors.ts'
import { normOf } from '../norm-of.ts'

/** [kvHeads][tokens]: norms of the values. */
export const valueNorm = (
  { norm }: Extract<StatisticNode, { stat: 'value-norm' }>,
  tensors: LayerTensors,
): Float64Array[] =>
  perKvHead(tensors, (head, token) => normOf(rowOf(needed(tensors, 'v'), tensors, head, token), norm))
