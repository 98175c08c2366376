import type { StatisticNode } from '@qpkv/spec'
import { attentionStatistic } from './attention-statistic.ts'
import { needed, rowOf, type LayerTensors } from './layer-tensors.ts'
import { chunkAttention } from './measured/chunk-attention.ts'
import { dropError } from './measured/drop-error.ts'
import { expectedAttention } from './measured/expected-attention.ts'
import { joinedAttention } from './measured/joined-attention.ts'
import { leverage } from './measured/leverage.ts'
import { partitionSpread } from './measured/partition-spread.ts'
import { redundancy } from './measured/redundancy.ts'
import { replayAttention } from './measured/replay-attention.ts'
import { uniformNumber } from './random-numbers.ts'

/** One row per query head or per KV head, [heads][tokens], in double. */
export type Rows = readonly Float64Array[]

/** What a statistic knows beside the tensors. */
export interface StatisticContext {
  /** The plan's `protect.last`: side of the masked square under `window-block`. */
  readonly protectLast: number
}

type Interpreter<N extends StatisticNode['stat']> = (
  node: Extract<StatisticNode, { stat: N }>,
  tensors: LayerTensors,
  context: StatisticContext,
) => Rows

/** Every statistic, written for reading. */
const interpreters: { readonly [N in StatisticNode['stat']]: Interpreter<N> } = {
  attention: attentionStatistic,
  'chunk-attention': chunkAttention,
  'drop-error': dropError,
  'expected-attention': expectedAttention,
  'joined-attention': joinedAttention,
  'key-norm': (_, tensors) =>
    perKvHead(tensors, (head, token) => normOf(rowOf(tensors.k, tensors, head, token), 2)),
  'key-similarity': (_, tensors) =>
    Array.from({ length: tensors.kvHeads }, (_, head) => similarities(tensors, head)),
  leverage,
  'partition-spread': partitionSpread,
  position: (_, tensors) => perKvHead(tensors, (_, token) => token),
  random: ({ seed }, tensors) => perKvHead(tensors, (head, token) => uniformNumber(seed, head, token)),
  redundancy,
  'replay-attention': replayAttention,
  'value-norm': ({ norm }, tensors) =>
    perKvHead(tensors, (head, token) => normOf(rowOf(needed(tensors, 'v'), tensors, head, token), norm)),
  'value-output-norm': ({ norm }, tensors) =>
    Array.from({ length: tensors.queryHeads }, (_, head) => outputNorms(tensors, head, norm)),
}

/** Rows of a statistic, before any grouping. */
export function measure(node: StatisticNode, tensors: LayerTensors, context: StatisticContext): Rows {
  return (interpreters[node.stat] as Interpreter<StatisticNode['stat']>)(node, tensors, context)
}

const perKvHead = (
  { kvHeads, tokens }: LayerTensors,
  value: (head: number, token: number) => number,
): Float64Array[] =>
  Array.from({ length: kvHeads }, (_, head) =>
    Float64Array.from({ length: tokens }, (_, t) => value(head, t)),
  )

const normOf = (x: ArrayLike<number>, norm: 1 | 2): number => {
  let sum = 0
  for (let i = 0; i < x.length; i++) sum += norm === 1 ? Math.abs(x[i]!) : x[i]! ** 2
  return norm === 1 ? sum : Math.sqrt(sum)
}

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
