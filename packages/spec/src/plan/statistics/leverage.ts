import { integer, number } from '../../options/option.ts'
import { defineStatistic } from '../statistic.ts'

/** Statistical leverage of keys (Compactor, arXiv 2507.08143). */
export const leverage = defineStatistic({
  name: 'leverage',
  version: 1,
  doc: 'Leverage of a key before RoPE among the centred keys of its head: x (X^T X + ridge I)^-1 x^T; 0 for tokens left out.',
  rows: 'kv',
  reads: ['keysBefore'],
  tolerance: 2e-4,
  options: {
    sketch: integer({
      default: 0,
      min: 0,
      max: 256,
      doc: 'Random projections that stand for the channels; 0: exactly, all channels.',
    }),
    seed: integer({ default: 0, min: 0, max: 2 ** 31, doc: 'Of the projections.' }),
    ridge: number({ default: 0.01, min: 1e-6, doc: 'Added to the diagonal.' }),
    first: integer({ default: 8, min: 0, doc: 'First tokens left out.' }),
    last: integer({ default: 4, min: 0, doc: 'Last tokens left out.' }),
  },
})
