import { perKvHead, type LayerTensors } from '../layer-tensors.ts'

/** [kvHeads][tokens]: where each token stands. */
export const position = (_: unknown, tensors: LayerTensors): Float64Array[] =>
  perKvHead(tensors, (_, token) => token)
