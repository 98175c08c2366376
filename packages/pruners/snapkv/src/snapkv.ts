import { definePruner, integer, odd, oneOf, windowAttention } from '@qpkv/spec'

/**
 * SnapKV: keeps the tokens that the last queries of the user's turn look at, and those queries' own tokens.
 * Li et al., "SnapKV: LLM Knows What You are Looking for Before Generation", https://arxiv.org/abs/2404.14469
 */
export const snapkv = definePruner({
  name: 'snapkv',
  paper: 'https://arxiv.org/abs/2404.14469',
  options: {
    window: integer({
      default: 32,
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
  },
  profiles: {
    original: { window: 32, kernel: 7, pool: 'max', order: 'score' },
    qpruningkv: { window: 8, kernel: 7, pool: 'max', order: 'score' },
    'qpruningkv-needle': { window: 32, kernel: 7, pool: 'max', order: 'score' },
    'kvcache-factory': { window: 8, kernel: 7, pool: 'max', order: 'score' },
  },
  select: (options, at) => windowAttention(options, at),
})
