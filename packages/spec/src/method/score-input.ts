import type { OptionValues } from '../options/option-shape.ts'
import type { OperationNode } from '../plan/score.ts'
import type { statistics } from '../plan/statistics.ts'

/** A score as a method writes it: options that are left out take their defaults. In a plan all are written out. */
export type ScoreInput = StatisticInput | OperationInput

/** A statistic by name, see ScoreNode. */
export type StatisticInput = {
  readonly [K in keyof Statistics]: { readonly stat: Statistics[K]['name'] } & Partial<
    OptionValues<Statistics[K]['options']>
  >
}[keyof Statistics]
type Statistics = typeof statistics

/** An operation on other nodes, see ScoreNode. */
export type OperationInput = InputOf<OperationNode>
type InputOf<N> = N extends OperationNode
  ? { readonly op: N['op']; readonly of: readonly ScoreInput[] } & Partial<Omit<N, 'op' | 'of'>>
  : never
