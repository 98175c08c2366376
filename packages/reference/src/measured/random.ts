import type { StatisticNode } from '@qpkv/spec'
import { perKvHead, type LayerTensors } from '../layer-tensors.ts'
import { uniformNumber } from '../random-numbers.ts'

/** [kvHeads][tokens]: numbers from 0 to 1 that depend on seed, head and token alone. */
export const random = (
  { seed }: Extract<StatisticNode, { stat: 'random' }>,
  tensors: LayerTensors,
): Float64Array[] => perKvHead(tensors, (head, token) => uniformNumber(seed, head, token))
