import { definePruner, windowAttention, windowAttentionOptions } from '@qpkv/spec'

/**
 * SnapKV: keeps the tokens that the last queries of the user's turn look at, and those queries' own tokens.
 * Li et al., "SnapKV: LLM Knows What You are Looking for Before Generation", https://arxiv.org/abs/2404.14469
 */
export const snapkv = definePruner({
  name: 'snapkv',
  paper: 'https://arxiv.org/abs/2404.14469',
  options: windowAttentionOptions({ window: 32 }),
  profiles: {
    original: { window: 32, kernel: 7, pool: 'max', order: 'score' },
    qpruningkv: { window: 8, kernel: 7, pool: 'max', order: 'score' },
    'qpruningkv-needle': { window: 32, kernel: 7, pool: 'max', order: 'score' },
    'kvcache-factory': { window: 8, kernel: 7, pool: 'max', order: 'score' },
  },
  layer: (options, at) => windowAttention(options, at),
})
