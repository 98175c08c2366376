import { oneOf } from '../options.ts'
import { defineStatistic } from '../statistic.ts'

export const valueOutputNorm = defineStatistic({
  name: 'value-output-norm',
  version: 1,
  doc: "Norm of a value after its query head's part of the output projection: what one unit of attention adds to the hidden state.",
  rows: 'query',
  reads: ['values', 'outputWeight'],
  options: {
    norm: oneOf(['euclidean', 'taxicab'], { default: 'euclidean', doc: 'The 2-norm or the 1-norm.' }),
  },
})
