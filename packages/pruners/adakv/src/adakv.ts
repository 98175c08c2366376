import { definePruner, number, oneOf, windowAttention, windowAttentionOptions } from '@qpkv/spec'

/**
 * Ada-KV: SnapKV's scores, but the heads of a layer share its places: a head whose attention is spread keeps more tokens, one that looks
 * at few tokens keeps less. The sum over the heads is what SnapKV keeps.
 * Feng et al., "Ada-KV: Optimizing KV Cache Eviction by Adaptive Budget Allocation for Efficient LLM Inference", https://arxiv.org/abs/2407.11550
 */
export const adakv = definePruner({
  name: 'adakv',
  paper: 'https://arxiv.org/abs/2407.11550',
  options: {
    ...windowAttentionOptions({ window: 32 }),
    floor: number({
      default: 0.2,
      min: 0,
      max: 1,
      doc: 'Part of its equal share that every head keeps; 1 is SnapKV.',
    }),
    weigh: oneOf(['none', 'top-share'], {
      default: 'none',
      doc: "top-share: a head's scores count times what part of their sum its best ones hold.",
    }),
    rounding: oneOf(['exact', 'each'], {
      default: 'exact',
      doc: 'each: places are rounded head by head, so that their sum may differ from the budget.',
    }),
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
  select: (options, at) => {
    const { weigh, rounding, floor } = options
    return {
      ...windowAttention(options, at),
      pool: 'layer',
      floor,
      ...(weigh === 'top-share' && { weigh }),
      ...(rounding === 'each' && { rounding }),
    }
  },
})
