import { boolean, integer } from '../../options/option.ts'
import { defineStatistic } from '../statistic.ts'

/** Logits that future queries are expected to give each key (ExpectedAttention, arXiv 2510.00636). */
export const expectedAttention = defineStatistic({
  name: 'expected-attention',
  version: 1,
  doc: 'Logit that queries of later positions, distributed as those before RoPE, are expected to give a key.',
  rows: 'query',
  reads: ['queriesBefore', 'keys', 'rope'],
  signed: true,
  tolerance: 1e-4,
  options: {
    sinks: integer({ default: 4, min: 0, doc: 'First queries that do not count.' }),
    future: integer({
      default: 512,
      min: 1,
      doc: 'Positions behind the prompt over which RoPE is averaged.',
    }),
    covariance: boolean({ default: true, doc: 'Half the variance of the logit is added to its mean.' }),
  },
})
