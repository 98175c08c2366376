import { oneOf } from '../options.ts'
import { defineStatistic } from '../statistic.ts'

export const valueNorm = defineStatistic({
  name: 'value-norm',
  version: 1,
  doc: 'Norm of a value.',
  rows: 'kv',
  reads: ['values'],
  options: {
    norm: oneOf(['euclidean', 'taxicab'], { default: 'euclidean', doc: 'The 2-norm or the 1-norm.' }),
  },
})
