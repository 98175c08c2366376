import { number, oneOf } from '../../options/option.ts'
import { defineStatistic } from '../statistic.ts'

/** How much a key repeats others (R-KV, arXiv 2505.24133). */
export const redundancy = defineStatistic({
  name: 'redundancy',
  version: 1,
  doc: 'Mean cosine of a key with the others of its head, softmax over the tokens; of near-duplicates of a key, the last does not count. Quadratic in the tokens.',
  rows: 'kv',
  reads: ['keys'],
  options: {
    threshold: number({ default: 0.5, min: -1, max: 1, doc: 'Cosine above which keys are near-duplicates.' }),
    alone: oneOf(['nothing', 'first'], {
      default: 'nothing',
      doc: 'What does not count for a key without a near-duplicate: nothing, or the first key, as in a released code.',
    }),
  },
})
