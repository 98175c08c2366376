import { oneOf } from '../../options/option.ts'
import { defineStatistic, queries } from '../statistic.ts'

/** Attention probabilities that each key receives, reduced over queries. */
export const attention = defineStatistic({
  name: 'attention',
  version: 1,
  doc: 'Attention probability that a key receives, reduced over the observing queries; one that does not see it gives 0.',
  rows: 'query',
  reads: ['queries', 'keys'],
  options: {
    queries: queries({ default: 'all', doc: 'Which queries observe.' }),
    mask: oneOf(['causal', 'window-block'], {
      default: 'causal',
      doc: 'window-block masks only the last `protect.last` x `protect.last` square, as a released code does.',
    }),
    reduce: oneOf(['sum', 'mean', 'max', 'variance', 'entropy'], {
      default: 'sum',
      doc: 'Over queries. The variance is that of the population; entropy is the sum of -p ln(p + 1e-10).',
    }),
  },
})
