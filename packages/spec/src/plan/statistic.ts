import { expected } from '../errors.ts'
import { isPlainObject } from '../json.ts'
import type { OptionShape } from '../options/option-shape.ts'
import type { Option } from '../options/option.ts'

/**
 * What prefill hands to a statistic. Tensors are float32; `queries` and `keys` are meant after RoPE. `outputs` are the
 * attention's results per query head before the output projection, `outputWeight` is that projection, `rope` are the
 * rotary frequencies, `replay` are queries and keys of tokens that repeat the prompt, which prefill runs behind it.
 */
export type Reading =
  | 'queries'
  | 'queriesBefore'
  | 'keys'
  | 'keysBefore'
  | 'values'
  | 'outputs'
  | 'outputWeight'
  | 'rope'
  | 'replay'

/**
 * A measurement of one layer in prefill: one float32 per row and token. This is all that methods and engines share of it;
 * its arithmetic is one file per backend and one of the naive reference. The version changes when its numbers do.
 */
export interface Statistic<N extends string = string, S extends OptionShape = OptionShape> {
  readonly name: N
  readonly version: number
  readonly doc: string
  /** One row per query head, or one per KV head (repeated where heads are stored per query head). */
  readonly rows: 'query' | 'kv'
  readonly reads: readonly Reading[]
  /** Set where values may be below 0, as cosines and logits are: a part of their sum is no share then. */
  readonly signed?: true
  /** Largest error that backends may make, relative to the largest value; left out: 2e-5. */
  readonly tolerance?: number
  /** Numbers, booleans, choices and `queries`: engines take them as a row of numbers. */
  readonly options: S
}

/** Freezes a descriptor and keeps its types. */
export const defineStatistic = <const N extends string, S extends OptionShape>(
  statistic: Statistic<N, S>,
): Statistic<N, S> => Object.freeze(statistic)

/** The last queries that observe. */
export interface LastQueries {
  readonly last: number
  readonly before: 'prompt-end' | 'user-end'
}

/** All queries, or the `last` ones counting back from the end of the prompt or of the last user turn. */
export type Queries = 'all' | LastQueries

/** Which queries observe, as an option of a statistic. */
export const queries = (settings: {
  readonly default: Queries
  readonly doc: string
}): Option<Queries> & {
  readonly kind: 'queries'
} => ({
  ...settings,
  kind: 'queries',
  accepts: "'all' or { last, before: 'prompt-end' | 'user-end' }",
  check(value, path) {
    const fits =
      value === 'all' ||
      (isPlainObject(value) &&
        Object.keys(value).every((key) => key === 'last' || key === 'before') &&
        Number.isSafeInteger(value['last']) &&
        Number(value['last']) >= 1 &&
        (value['before'] === 'prompt-end' || value['before'] === 'user-end'))
    if (!fits) throw expected(this.accepts, path, value)
    return value as Queries
  },
})
