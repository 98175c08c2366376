import {
  closingTokens,
  definePruner,
  number,
  oneOf,
  windowAttention,
  windowAttentionOptions,
} from '@qpkv/spec'
import { exactPyramid, flooredPyramid } from './pyramid-budget.ts'

/**
 * PyramidKV: SnapKV's selection with more tokens in lower layers and fewer in higher ones.
 * Cai et al., "PyramidKV: Dynamic KV Cache Compression based on Pyramidal Information Funneling", https://arxiv.org/abs/2406.02069
 */
export const pyramidkv = definePruner({
  name: 'pyramidkv',
  paper: 'https://arxiv.org/abs/2406.02069',
  options: {
    ...windowAttentionOptions({ window: 8 }),
    beta: number({
      default: 20,
      min: 1,
      max: 1000,
      doc: 'Steepness: the top layer gets the mean share / beta.',
    }),
    rounding: oneOf(['exact', 'floor'], {
      default: 'exact',
      doc: 'exact: budgets sum to the budget. floor: integer floors as in the released codes, which overspend.',
    }),
  },
  profiles: {
    original: { window: 8, kernel: 7, pool: 'max', order: 'score', rounding: 'floor' },
    qpruningkv: { window: 8, kernel: 7, pool: 'max', order: 'score', rounding: 'floor' },
    'kvcache-factory': { window: 8, kernel: 7, pool: 'max', order: 'score', rounding: 'floor' },
  },
  allocate: ({ window, beta, rounding }, { prompt, layers }) => {
    const share = rounding === 'exact' ? exactPyramid : flooredPyramid
    return share({ window: window + closingTokens(prompt), beta }, prompt.tokens, layers)
  },
  select: (options, at) => windowAttention(options, at),
  overspends: ({ rounding }) => rounding === 'floor',
})
