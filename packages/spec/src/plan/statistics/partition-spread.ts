import { integer, oneOf } from '../../options/option.ts'
import { defineStatistic } from '../statistic.ts'

/** How far a token stands out from the partition behind its own (LagKV, arXiv 2504.04704). */
export const partitionSpread = defineStatistic({
  name: 'partition-spread',
  version: 1,
  doc: "Spread over the channels of a token scaled by each channel's range in the next partition, as softmax within its own; 1 for sinks and for tokens without a next partition.",
  rows: 'kv',
  reads: ['keys', 'values'],
  options: {
    of: oneOf(['keys', 'values'], { default: 'keys', doc: 'Whose channels.' }),
    sinks: integer({ default: 4, min: 0, doc: 'First tokens before the first partition.' }),
    lag: integer({ default: 128, min: 1, doc: 'Tokens of a partition.' }),
  },
})
