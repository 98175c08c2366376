import { definePruner, windowAttention, windowAttentionOptions } from '@qpkv/spec'
import { ada, adaOptions } from './ada.ts'

/**
 * Ada-KV: SnapKV's scores, but the heads of a layer share its slots: a head whose attention is spread keeps more tokens, one that looks
 * at few tokens keeps less. The sum over the heads is what SnapKV keeps.
 * Feng et al., "Ada-KV: Optimizing KV Cache Eviction by Adaptive Budget Allocation for Efficient LLM Inference", https://arxiv.org/abs/2407.11550
 */
export const adakv = definePruner({
  name: 'adakv',
  paper: 'https://arxiv.org/abs/2407.11550',
  options: {
    ...windowAttentionOptions({ window: 32 }),
    ...adaOptions,
  },
  profiles: {
    original: { window: 32, kernel: 7, pool: 'max', weigh: 'top-share', rounding: 'each', order: 'score' },
    'kvcache-factory': {
      window: 8,
      kernel: 7,
      pool: 'max',
      weigh: 'top-share',
      rounding: 'each',
      order: 'score',
    },
  },
  layer: (options, at) => windowAttention(options, at),
  share: ({ floor, guard, weigh, rounding }) => ada({ floor, guard, weigh, rounding }),
})
