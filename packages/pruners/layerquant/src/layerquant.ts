import { definePruner, oneOf, windowAttention, windowAttentionOptions } from '@qpkv/spec'
import { layerRange, layerRangeOptions } from './layer-range.ts'

/**
 * LayerQuant's pruner: SnapKV's selection, and of a memory budget every layer gets the same
 * bytes, so that layers stored in fewer bits keep more tokens. Zhang et al., "More Tokens,
 * Lower Precision", https://arxiv.org/abs/2412.12706
 */
export const layerquant = definePruner({
  name: 'layerquant',
  paper: 'https://arxiv.org/abs/2412.12706',
  options: {
    ...windowAttentionOptions({ window: 8 }),
    tokens: oneOf(['equal-memory', 'released'], {
      default: 'equal-memory',
      doc: 'released: the capacities of the released code: 16 / rangeBits times the budget in the range, 4 times outside.',
    }),
    ...layerRangeOptions,
  },
  profiles: { qpruningkv: { tokens: 'released', order: 'score' } },
  // Equal memory is what an equal share of memory already is.
  allocate: ({ tokens, from, to, rangeBits }) =>
    tokens === 'released' ? layerRange({ from, to, rangeBits }) : undefined,
  layer: (options, at) => windowAttention(options, at),
})
