import type { OptionShape } from './option-shape.ts'

/**
 * What prefill hands to a statistic. Tensors are float32; `queries` and `keys` are meant after RoPE. `outputs` are the
 * attention's results per query head before the output projection, `outputWeight` is that projection.
 */
export type Reading =
  'queries' | 'queriesBefore' | 'keys' | 'keysBefore' | 'values' | 'outputs' | 'outputWeight' | 'rope'

/**
 * A measurement of one layer in prefill: one float32 per row and token. This is all that methods and engine share of it;
 * its arithmetic is one file per backend and one of the naive reference. Versions change when its numbers do.
 */
export interface Statistic<N extends string = string, S extends OptionShape = OptionShape> {
  readonly name: N
  readonly version: number
  readonly doc: string
  /** One row per query head, or one per KV head (repeated where heads are stored per query head). */
  readonly rows: 'query' | 'kv'
  readonly reads: readonly Reading[]
  /** Numbers, booleans and choices only: engines take them as a row of numbers. */
  readonly options: S
}

/** Freezes a descriptor and keeps its types. */
export const defineStatistic = <const N extends string, S extends OptionShape>(
  statistic: Statistic<N, S>,
): Statistic<N, S> => Object.freeze(statistic)
