import type { StatisticNode } from '@qpkv/spec'
import { dot, softmax } from '../arithmetic.ts'
import { needed, rowOf, type LayerTensors } from '../layer-tensors.ts'

/** [queryHeads][tokens]: the most that a key receives while its part of the prompt is repeated. */
export function replayAttention(
  { sinks, over }: Extract<StatisticNode, { stat: 'replay-attention' }>,
  tensors: LayerTensors,
): Float64Array[] {
  const { k, queryHeads, kvHeads, tokens, headDim } = tensors
  return Array.from({ length: queryHeads }, (_, head) => {
    const largest = new Float64Array(tokens)
    const kvHead = Math.floor(head / (queryHeads / kvHeads))
    for (const replay of needed(tensors, 'replays')) {
      const rows = replay.q.length / (queryHeads * headDim)
      const own = { ...tensors, tokens: rows }
      const prompt = [
        ...Array.from({ length: Math.min(sinks, replay.from) }, (_, t) => t),
        ...Array.from({ length: replay.to - replay.from }, (_, i) => replay.from + i),
      ]
      for (let row = 0; row < rows; row++) {
        const query = rowOf(replay.q, own, head, row)
        const keys = [
          ...prompt.map((t) => rowOf(k, tensors, kvHead, t)),
          ...Array.from({ length: row + 1 }, (_, t) => rowOf(replay.k, own, kvHead, t)),
        ]
        const p = softmax(keys.map((key) => dot(query, key) / Math.sqrt(headDim)))
        const share = over === 'input-norm' ? 1 / replay.inputNorms![row]! : 1
        for (const [i, t] of prompt.entries())
          if (t >= replay.from) largest[t] = Math.max(largest[t]!, p[i]! * share)
      }
    }
    return largest
  })
}
