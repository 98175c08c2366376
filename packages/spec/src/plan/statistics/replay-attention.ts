import { integer, oneOf } from '../../options/option.ts'
import { defineStatistic } from '../statistic.ts'

/** What the model looks at when it is made to repeat the prompt (KVzip, arXiv 2505.23416). */
export const replayAttention = defineStatistic({
  name: 'replay-attention',
  version: 1,
  doc: 'Largest attention probability that a key receives while the model repeats its part of the prompt, among the first tokens, this part and the repetition; 0 for tokens that are not repeated.',
  rows: 'query',
  reads: ['keys', 'replay'],
  options: {
    sinks: integer({ default: 4, min: 0, max: 4096, doc: 'First tokens that are seen beside each part.' }),
    over: oneOf(['nothing', 'input-norm'], {
      default: 'nothing',
      doc: "input-norm: a query's probabilities are divided by the norm of what its layer's attention reads.",
    }),
  },
})
