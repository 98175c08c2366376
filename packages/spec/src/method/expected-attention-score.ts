import { boolean, integer } from '../options/option.ts'
import type { ScoreInput } from './score-input.ts'

/** What `expectedAttentionScore` needs. */
export interface ExpectedAttentionOptions {
  /** First tokens whose queries do not count and that take no part. */
  readonly sinks: number
  /** Positions behind the prompt over which the rotary embedding is averaged. */
  readonly future: number
  readonly covariance: boolean
}

/** The options of `expectedAttentionScore`, for a method's definition. */
export const expectedAttentionOptions = {
  sinks: integer({ default: 4, min: 0, max: 4096, doc: 'First tokens, which are kept and not scored.' }),
  future: integer({
    default: 512,
    min: 1,
    max: 65536,
    doc: 'Positions behind the prompt from which queries are expected.',
  }),
  covariance: boolean({ default: true, doc: 'Whether the spread of the queries counts beside their mean.' }),
}

/**
 * What queries of later positions are expected to give each token (arXiv 2510.00636): the softmax of the expected
 * logits, mean over the query heads of a stored head. The sinks are left out of the softmax.
 */
export const expectedAttentionScore = ({
  sinks,
  future,
  covariance,
}: ExpectedAttentionOptions): ScoreInput => ({
  op: 'group',
  by: 'mean',
  of: [
    {
      op: 'softmax',
      skipFirst: sinks,
      of: [{ stat: 'expected-attention', sinks, future, covariance }],
    },
  ],
})
