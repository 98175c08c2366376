import { oneOf } from '../../options/option.ts'
import { defineStatistic } from '../statistic.ts'

/** Norm of each value. */
export const valueNorm = defineStatistic({
  name: 'value-norm',
  version: 1,
  doc: 'Norm of a value.',
  rows: 'kv',
  reads: ['values'],
  options: {
    norm: oneOf([1, 2], { default: 2, doc: 'Sum of sizes (1) or Euclidean (2).' }),
  },
})
