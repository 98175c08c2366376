import { closingTokens, definePruner, integer, oneOf } from '@qpkv/spec'

/**
 * DropKV: keeps the tokens without which the attention's output would change most, as the last queries of the user's
 * turn see it; the change is computed exactly, token by token. https://openreview.net/forum?id=MqfNzH3TVH
 */
export const dropkv = definePruner({
  name: 'dropkv',
  paper: 'https://openreview.net/forum?id=MqfNzH3TVH',
  options: {
    window: integer({
      default: 32,
      min: 1,
      max: 4096,
      doc: 'Last queries of the user turn that observe; their tokens are kept.',
    }),
    group: oneOf(['sum', 'mean', 'max'], {
      default: 'sum',
      doc: 'How the query heads of a KV head are joined; the sum is what their outputs lose together.',
    }),
  },
  layer: ({ window, group }, { prompt }) => {
    const closing = closingTokens(prompt)
    const queries = { last: window, before: closing > 0 ? 'user-end' : 'prompt-end' } as const
    return {
      score: { op: 'group', by: group, of: [{ stat: 'drop-error', queries }] },
      protect: { last: window + closing },
    }
  },
})
