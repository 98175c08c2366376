import { closingTokens, definePruner, integer, oneOf, optional } from '@qpkv/spec'

/**
 * VATP: keeps the tokens whose attention times the size of their value is largest.
 * Guo et al., "Attention Score is not All You Need for Token Importance Indicator in KV Cache Reduction: Value Also
 * Matters", https://arxiv.org/abs/2406.12335
 */
export const vatp = definePruner({
  name: 'vatp',
  paper: 'https://arxiv.org/abs/2406.12335',
  options: {
    first: integer({
      default: 20,
      min: 0,
      max: 4096,
      doc: 'First tokens that are always kept: attention sinks have small values.',
    }),
    recent: optional(
      integer({
        default: 8,
        min: 1,
        max: 65536,
        doc: 'Newest tokens that are kept; left out: half of what the first ones leave.',
      }),
    ),
    window: optional(
      integer({
        default: 32,
        min: 1,
        max: 4096,
        doc: 'Last queries of the user turn that observe; left out: all queries of the prompt.',
      }),
    ),
    norm: oneOf([1, 2], { default: 1, doc: 'Norm of the value: sum of sizes (1) or Euclidean (2).' }),
    group: oneOf(['mean', 'max', 'sum'], {
      default: 'mean',
      doc: 'How the query heads of a KV head are joined.',
    }),
  },
  layer: ({ first, recent, window, norm, group }, { prompt }) => {
    const closing = closingTokens(prompt)
    const before = closing > 0 ? 'user-end' : 'prompt-end'
    const queries = window === undefined ? 'all' : ({ last: window, before } as const)
    return {
      score: {
        op: 'multiply',
        of: [
          { op: 'group', by: group, of: [{ stat: 'attention', queries, reduce: 'sum' }] },
          { stat: 'value-norm', norm },
        ],
      },
      protect: {
        first,
        last: recent === undefined ? { share: 0.5, beside: closing } : recent + closing,
      },
    }
  },
})
