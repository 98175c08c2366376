import { closingTokens, definePruner, integer, number, odd, oneOf, type ScoreInput } from '@qpkv/spec'

/**
 * R-KV: keeps the tokens that the last queries attend to and whose keys do not repeat others.
 * Cai et al., "R-KV: Redundancy-aware KV Cache Compression for Reasoning Models", https://arxiv.org/abs/2505.24133
 */
export const rkv = definePruner({
  name: 'rkv',
  paper: 'https://arxiv.org/abs/2505.24133',
  options: {
    window: integer({
      default: 8,
      min: 1,
      max: 4096,
      doc: 'Last queries of the user turn that observe; their tokens are kept.',
    }),
    lambda: number({
      default: 0.1,
      min: 0,
      max: 1,
      doc: 'Weight of the attention; the rest is that of the redundancy.',
    }),
    kernel: odd({
      default: 7,
      min: 1,
      max: 255,
      doc: 'Width of the largest attention along the tokens; 1 for none.',
    }),
    threshold: number({ default: 0.5, min: -1, max: 1, doc: 'Cosine above which keys are near-duplicates.' }),
    alone: oneOf(['nothing', 'first'], {
      default: 'nothing',
      doc: 'What does not count for a key without a near-duplicate: nothing, or the first key, as in the released code.',
    }),
    order: oneOf(['position', 'score'], { default: 'position', doc: 'Storage order of the kept tokens.' }),
    decode: oneOf(['keep', 'evict'], {
      default: 'keep',
      doc: 'evict: while text is generated the score is measured again every `buffer` tokens, and what exceeds the budget leaves.',
    }),
    buffer: integer({
      default: 128,
      min: 1,
      max: 65536,
      doc: 'With decode=evict: tokens beyond the budget that gather before some are evicted; at least as many as `window`.',
    }),
  },
  profiles: { original: { lambda: 0.07, alone: 'first', order: 'score', decode: 'evict' } },
  layer: ({ window, lambda, kernel, threshold, alone, order, decode, buffer }, { prompt }) => {
    const closing = closingTokens(prompt)
    const queries = { last: window, before: closing > 0 ? 'user-end' : 'prompt-end' } as const
    const observed: ScoreInput = { stat: 'joined-attention', queries, join: 'max' }
    const important: ScoreInput =
      kernel > 1 ? { op: 'pool', pool: 'max', kernel, padding: 'valid', of: [observed] } : observed
    const score: ScoreInput = {
      op: 'add',
      of: [
        { op: 'scale', factor: lambda, of: [important] },
        { op: 'scale', factor: lambda - 1, of: [{ stat: 'redundancy', threshold, alone }] },
      ],
    }
    return {
      score,
      protect: { last: window + closing },
      order,
      evict: decode === 'evict' ? { by: score, every: buffer, measure: 'anew' } : 'never',
    }
  },
})
