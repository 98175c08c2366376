import { integer, oneOf } from '../../options/option.ts'
import { defineStatistic } from '../statistic.ts'

/** Attention within chunks, where queries see earlier and later keys alike (Compactor, arXiv 2507.08143). */
export const chunkAttention = defineStatistic({
  name: 'chunk-attention',
  version: 1,
  doc: 'Attention probability that a key receives from all queries of its chunk; 0 for tokens left out.',
  rows: 'query',
  reads: ['queries', 'keys'],
  options: {
    chunk: integer({ default: 256, min: 1, max: 1024, doc: 'Tokens of a chunk; the last may be short.' }),
    mask: oneOf(['none', 'causal'], {
      default: 'none',
      doc: 'Whether queries see later keys of their chunk.',
    }),
    logits: oneOf(['scaled', 'raw'], {
      default: 'scaled',
      doc: 'Whether products are divided by the root of the head dimension.',
    }),
    padding: oneOf(['none', 'zeros'], {
      default: 'none',
      doc: 'zeros: a short last chunk is filled up with keys of logit 0 and queries that see all keys alike, as a released code does.',
    }),
    first: integer({ default: 8, min: 0, doc: 'First tokens left out.' }),
    last: integer({ default: 4, min: 0, doc: 'Last tokens left out.' }),
  },
})
