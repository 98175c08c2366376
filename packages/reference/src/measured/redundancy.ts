import type { StatisticNode } from '@qpkv/spec'
import { dot, softmax } from '../arithmetic.ts'
import { rowOf, type LayerTensors } from '../layer-tensors.ts'

/** [kvHeads][tokens]: mean cosine with the other keys of the head, softmax over the tokens. */
export function redundancy(
  { threshold, alone }: Extract<StatisticNode, { stat: 'redundancy' }>,
  tensors: LayerTensors,
): Float64Array[] {
  const { k, kvHeads, tokens } = tensors
  return Array.from({ length: kvHeads }, (_, head) => {
    const keys = Array.from({ length: tokens }, (_, t) => rowOf(k, tensors, head, t))
    const norms = keys.map((key) => Math.max(Math.sqrt(dot(key, key)), 1e-12))
    const means = new Float64Array(tokens)
    for (const [row, own] of keys.entries()) {
      const cosines = Float64Array.from(keys, (key, t) =>
        t === row ? 0 : dot(own, key) / (norms[row]! * norms[t]!),
      )
      const near = cosines.findLastIndex((cosine, t) => t !== row && cosine > threshold)
      const dropped = near < 0 && alone === 'first' ? 0 : near
      if (dropped >= 0) cosines[dropped] = 0
      for (let t = 0; t < tokens; t++) means[t]! += cosines[t]! / tokens
    }
    return softmax(means)
  })
}
