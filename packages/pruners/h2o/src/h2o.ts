import { closingTokens, definePruner, integer, oneOf, optional, type ScoreInput } from '@qpkv/spec'

/**
 * H2O: keeps the heavy hitters, tokens that collect most attention over all queries, beside the
 * newest tokens. Zhang et al., "H2O: Heavy-Hitter Oracle for Efficient Generative Inference of Large
 * Language Models", https://arxiv.org/abs/2306.14048
 */
export const h2o = definePruner({
  name: 'h2o',
  paper: 'https://arxiv.org/abs/2306.14048',
  options: {
    recent: optional(
      integer({
        default: 8,
        min: 1,
        max: 65536,
        doc: 'Newest tokens that are kept; left out: half of the tokens of the layer.',
      }),
    ),
    group: oneOf(['mean', 'max', 'sum'], {
      default: 'mean',
      doc: 'How the query heads of a KV head are joined.',
    }),
    mask: oneOf(['causal', 'window-block'], {
      default: 'causal',
      doc: 'window-block: only the last recent x recent block is causal, as in the released code of arXiv 2412.12706.',
    }),
    order: oneOf(['position', 'score'], { default: 'position', doc: 'Storage order of the kept tokens.' }),
    decode: oneOf(['keep', 'evict'], {
      default: 'keep',
      doc: 'evict: every later token drops the one with the lowest running score.',
    }),
  },
  profiles: {
    original: { decode: 'evict' },
    qpruningkv: { recent: 8, mask: 'window-block', order: 'score' },
    'qpruningkv-needle': { recent: 32, mask: 'window-block', order: 'score' },
    'kvcache-factory': { recent: 8, order: 'score' },
  },
  layer: ({ recent, group, mask, order, decode }, { prompt }) => {
    const closing = closingTokens(prompt)
    const score: ScoreInput = {
      op: 'group',
      by: group,
      of: [{ stat: 'attention', queries: 'all', mask, reduce: 'sum' }],
    }
    return {
      score,
      protect: { last: recent === undefined ? { share: 0.5, beside: closing } : recent + closing },
      order,
      evict: decode === 'evict' ? { by: score } : 'never',
    }
  },
})
