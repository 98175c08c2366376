import type { StatisticNode } from '@qpkv/spec'
import { deviation, softmax } from '../arithmetic.ts'
import { needed, rowOf, type LayerTensors } from '../layer-tensors.ts'

/** [kvHeads][tokens]: how far a token stands out from the next partition; 1 where there is none. */
export function partitionSpread(
  node: Extract<StatisticNode, { stat: 'partition-spread' }>,
  tensors: LayerTensors,
): Float64Array[] {
  const { kvHeads, tokens, headDim } = tensors
  const { sinks, lag } = node
  const source = node.of === 'keys' ? tensors.k : needed(tensors, 'v')
  return Array.from({ length: kvHeads }, (_, head) => {
    const scores = new Float64Array(tokens).fill(1)
    const rows = (begin: number) =>
      Array.from({ length: lag }, (_, i) => rowOf(source, tensors, head, begin + i))
    for (let begin = sinks; begin + 2 * lag <= tokens; begin += lag) {
      const next = rows(begin + lag)
      const ranges = Array.from({ length: headDim }, (_, c) => {
        const values = next.map((row) => row[c]!)
        return { low: Math.min(...values), high: Math.max(...values) }
      })
      const spreads = rows(begin).map((row) =>
        deviation(ranges.map(({ low, high }, c) => (high > low ? (row[c]! - low) / (high - low) : 0))),
      )
      scores.set(softmax(spreads), begin)
    }
    return scores
  })
}
