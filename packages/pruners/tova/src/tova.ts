import { closingTokens, definePruner, integer, oneOf, type ScoreInput } from '@qpkv/spec'

/**
 * TOVA: keeps the tokens that the last query of the user's turn attends to; all heads of a layer keep the same ones.
 * Oren et al., "Transformers are Multi-State RNNs", https://arxiv.org/abs/2401.06104
 */
export const tova = definePruner({
  name: 'tova',
  paper: 'https://arxiv.org/abs/2401.06104',
  options: {
    last: integer({
      default: 1,
      min: 1,
      max: 65536,
      doc: 'Newest tokens of the user turn that are always kept.',
    }),
    over: oneOf(['layer', 'heads'], {
      default: 'layer',
      doc: 'layer: the mean over all query heads, so that every head keeps the same tokens. heads: over those of each KV head.',
    }),
    decode: oneOf(['keep', 'evict'], {
      default: 'keep',
      doc: 'evict: while text is generated the newest query is asked again every `buffer` tokens, and what exceeds the budget leaves.',
    }),
    buffer: integer({
      default: 1,
      min: 1,
      max: 65536,
      doc: 'With decode=evict: tokens beyond the budget that gather before some are evicted; more cost less time.',
    }),
  },
  layer: ({ last, over, decode, buffer }, { prompt }) => {
    const closing = closingTokens(prompt)
    const queries = { last: 1, before: closing > 0 ? 'user-end' : 'prompt-end' } as const
    const score: ScoreInput = {
      op: 'group',
      by: 'mean',
      over,
      of: [{ stat: 'attention', queries, reduce: 'sum' }],
    }
    return {
      score,
      protect: { last: last + closing },
      evict: decode === 'evict' ? { by: score, every: buffer, measure: 'anew' } : 'never',
    }
  },
})
