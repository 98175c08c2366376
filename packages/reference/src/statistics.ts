import type { StatisticNode } from '@qpkv/spec'
import type { LayerTensors } from './layer-tensors.ts'
import { measured } from './measured.ts'

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
const interpreters: { readonly [N in StatisticNode['stat']]: Interpreter<N> } = measured

/** Rows of a statistic, before any grouping. */
export function measure(node: StatisticNode, tensors: LayerTensors, context: StatisticContext): Rows {
  return (interpreters[node.stat] as Interpreter<StatisticNode['stat']>)(node, tensors, context)
}
