import { closingTokens, definePruner, integer, number, odd, oneOf, windowAttention } from '@qpkv/spec'
import { exactPyramid, flooredPyramid } from './pyramid-budget.ts'

/**
 * PyramidKV: SnapKV's selection with more tokens in lower layers and fewer in higher ones.
 * Cai et al., "PyramidKV: Dynamic KV Cache Compression based on Pyramidal Information Funneling", https://arxiv.org/abs/2406.02069
 */
export const pyramidkv = definePruner({
  name: 'pyramidkv',
  paper: 'https://arxiv.org/abs/2406.02069',
  options: {
    window: integer({
      default: 8,
      min: 1,
      max: 4096,
      doc: 'Last queries of the user turn that observe; their tokens are kept.',
    }),
    kernel: odd({ default: 7, min: 1, max: 255, doc: 'Width of the pooling along the tokens; 1 for none.' }),
    pool: oneOf(['max', 'mean'], { default: 'max', doc: 'How scores are pooled.' }),
    group: oneOf(['mean', 'max', 'sum'], {
      default: 'mean',
      doc: 'How the query heads of a KV head are joined.',
    }),
    order: oneOf(['position', 'score'], { default: 'position', doc: 'Storage order of the kept tokens.' }),
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
