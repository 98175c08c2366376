import { definePruner, windowAttention, windowAttentionOptions } from '@qpkv/spec'
import { pyramid, pyramidOptions } from './pyramid.ts'

/**
 * PyramidKV: SnapKV's selection with more tokens in lower layers and fewer in higher ones.
 * Cai et al., "PyramidKV: Dynamic KV Cache Compression based on Pyramidal Information Funneling", https://arxiv.org/abs/2406.02069
 */
export const pyramidkv = definePruner({
  name: 'pyramidkv',
  paper: 'https://arxiv.org/abs/2406.02069',
  options: {
    ...windowAttentionOptions({ window: 8 }),
    ...pyramidOptions,
  },
  profiles: {
    original: { window: 8, kernel: 7, pool: 'max', order: 'score', rounding: 'floor' },
    qpruningkv: { window: 8, kernel: 7, pool: 'max', order: 'score', rounding: 'floor' },
    'kvcache-factory': { window: 8, kernel: 7, pool: 'max', order: 'score', rounding: 'floor' },
  },
  layer: (options, at) => windowAttention(options, at),
  allocate: ({ beta, rounding }) => pyramid({ beta, rounding }),
})
