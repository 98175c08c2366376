import { definePruner, integer, KvError, oneOf, windowAttention, windowAttentionOptions } from '@qpkv/spec'

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
    from: integer({ default: 0, min: 0, max: 4096, doc: 'With tokens=released: first layer of the range.' }),
    to: integer({ default: 4, min: 0, max: 4096, doc: 'With tokens=released: layer behind the range.' }),
    rangeBits: oneOf([8, 4, 2], { default: 8, doc: 'With tokens=released: the width that its flag names.' }),
  },
  profiles: { qpruningkv: { tokens: 'released', order: 'score' } },
  // Equal memory is what an equal share already is.
  allocates: ({ tokens }) => tokens === 'released',
  allocate: ({ from, to, rangeBits }, { layers, budget }) => {
    if (budget !== undefined && 'bytes' in budget)
      throw new KvError(
        'KV_CONFLICT',
        'tokens=released multiplies a number of tokens and cannot keep to real bytes.',
        {
          hint: 'Give the budget as { fp16Tokens } or { tokens }, or leave the profile out.',
        },
      )
    return layers.map((layer, l) => {
      const inside = l >= from && l < to
      // The released code stores the range in 16 bit and everything else in 4, and runs with no other storage.
      if (layer.bits !== (inside ? 16 : 4))
        throw new KvError(
          'KV_CONFLICT',
          `tokens=released goes with 16 bit in layers ${from} to ${to - 1} and 4 bit elsewhere; layer ${l} is stored in ${layer.bits} bit.`,
          { hint: 'Use the quantizer layerquant with profile=qpruningkv and the same range.' },
        )
      const base =
        budget !== undefined && 'fp16Tokens' in budget ? (layer.capacity * layer.bits) / 16 : layer.capacity
      return layer.fixed ? layer.capacity : Math.floor(base * (inside ? 16 / rangeBits : 4))
    })
  },
  select: (options, at) => windowAttention(options, at),
  overspends: ({ tokens }) => tokens === 'released',
})
