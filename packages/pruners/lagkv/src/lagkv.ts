import { closingTokens, definePruner, integer, oneOf } from '@qpkv/spec'
import { lagScore } from './lag-score.ts'

/**
 * LagKV: keeps the tokens whose keys and values stand out from the partition that follows them; it looks at no query.
 * Liang et al., "LagKV: Lag-Relative Information of the KV Cache Tells Which Tokens Are Important", https://arxiv.org/abs/2504.04704
 */
export const lagkv = definePruner({
  name: 'lagkv',
  paper: 'https://arxiv.org/abs/2504.04704',
  options: {
    sinks: integer({ default: 4, min: 0, max: 4096, doc: 'First tokens, which are always kept.' }),
    lag: integer({ default: 128, min: 1, max: 65536, doc: 'Tokens of a partition.' }),
    compare: oneOf(['within', 'across'], {
      default: 'within',
      doc: 'within: each partition keeps the same share. across: all tokens compete.',
    }),
    last: integer({
      default: 8,
      min: 0,
      max: 65536,
      doc: 'Newest tokens of the user turn that are always kept; others without a next partition count 1, as the sinks do.',
    }),
  },
  profiles: { kvpress: { last: 0 } },
  layer: ({ sinks, lag, compare, last }, { prompt }) => {
    const kept = last + closingTokens(prompt)
    return {
      score: lagScore({ sinks, lag, compare }, prompt.tokens, Math.max(0, prompt.tokens - kept)),
      protect: { first: sinks, last: kept },
    }
  },
})
