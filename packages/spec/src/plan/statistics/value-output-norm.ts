import { oneOf } from '../../options/option.ts'
import { defineStatistic } from '../statistic.ts'

/** Norm of each value after its query head's columns of the output projection. */
export const valueOutputNorm = defineStatistic({
  name: 'value-output-norm',
  version: 1,
  doc: "Norm of a value after its query head's part of the output projection: what one unit of attention adds to the hidden state.",
  rows: 'query',
  reads: ['values', 'outputWeight'],
  options: {
    norm: oneOf([1, 2], { default: 2, doc: 'Sum of sizes (1) or Euclidean (2).' }),
  },
})
