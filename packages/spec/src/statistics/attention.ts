import { integer, oneOf } from '../options.ts'
import { defineStatistic } from '../statistic.ts'

export const attention = defineStatistic({
  name: 'attention',
  version: 1,
  doc: 'Attention probability that a key receives, reduced over the observing queries.',
  rows: 'query',
  reads: ['queries', 'keys'],
  options: {
    last: integer({
      default: 0,
      min: 0,
      doc: 'Queries that observe, counted back from `before`; 0 for all.',
    }),
    before: oneOf(['prompt-end', 'user-end'], {
      default: 'prompt-end',
      doc: 'Where the last queries are counted back from: the end of the prompt, or of the last user turn.',
    }),
    mask: oneOf(['causal', 'window-block'], {
      default: 'causal',
      doc: 'window-block masks only the last `block` x `block` square, as a released code does.',
    }),
    block: integer({ default: 0, min: 0, doc: 'Side of the masked square under window-block.' }),
    reduce: oneOf(['sum', 'mean', 'max', 'variance', 'entropy'], {
      default: 'sum',
      doc: 'Over queries. variance divides by queries - 1; entropy is the sum of -p ln(p + 1e-10).',
    }),
  },
})
