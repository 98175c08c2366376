import { oneOf } from '../../options/option.ts'
import { defineStatistic, queries } from '../statistic.ts'

/** Attention of the query heads of a KV head as if they were one (R-KV, arXiv 2505.24133). */
export const joinedAttention = defineStatistic({
  name: 'joined-attention',
  version: 1,
  doc: "Mean attention of the last queries over the tokens before them, where the logits of a KV head's query heads are joined first; 0 for the observing tokens and those behind them.",
  rows: 'kv',
  reads: ['queries', 'keys'],
  options: {
    queries: queries({ default: 'all', doc: 'Which queries observe; before all of them there is nothing.' }),
    join: oneOf(['max', 'mean'], { default: 'max', doc: 'Largest or mean logit of the query heads.' }),
  },
})
