import { closingTokens, definePruner, integer, number, odd, oneOf, type ScoreInput } from '@qpkv/spec'

/**
 * CAKE: keeps the tokens with most attention of the last queries and those whose attention varies most among them.
 * Qin et al., "CAKE: Cascading and Adaptive KV Cache Eviction with Layer Preferences", https://arxiv.org/abs/2503.12491
 */
export const cake = definePruner({
  name: 'cake',
  paper: 'https://arxiv.org/abs/2503.12491',
  options: {
    window: integer({
      default: 32,
      min: 1,
      max: 4096,
      doc: 'Last queries of the user turn that observe; their tokens are kept.',
    }),
    gamma: number({ default: 200, min: 0, max: 1e6, doc: 'Weight of the variance beside the mean.' }),
    kernel: odd({ default: 5, min: 1, max: 255, doc: 'Width of the mean along the tokens; 1 for none.' }),
    group: oneOf(['mean', 'max', 'sum'], {
      default: 'mean',
      doc: 'How the query heads of a KV head are joined.',
    }),
  },
  layer: ({ window, gamma, kernel, group }, { prompt }) => {
    const closing = closingTokens(prompt)
    const queries = { last: window, before: closing > 0 ? 'user-end' : 'prompt-end' } as const
    const importance = importanceOf(queries, gamma)
    const observed: ScoreInput = { op: 'group', by: group, of: [importance] }
    return {
      score:
        kernel > 1 ? { op: 'pool', pool: 'mean', kernel, padding: 'zeros-count', of: [observed] } : observed,
      protect: { last: window + closing },
    }
  },
})

/** Mean and variance over the window; the variance is that of a sample, so one query has none. */
function importanceOf(
  queries: { readonly last: number; readonly before: 'user-end' | 'prompt-end' },
  gamma: number,
): ScoreInput {
  const mean: ScoreInput = { stat: 'attention', queries, reduce: 'mean' }
  if (queries.last < 2 || gamma === 0) return mean
  const factor = (gamma * queries.last) / (queries.last - 1)
  return {
    op: 'add',
    of: [mean, { op: 'scale', factor, of: [{ stat: 'attention', queries, reduce: 'variance' }] }],
  }
}
