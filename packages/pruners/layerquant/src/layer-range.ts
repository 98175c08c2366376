import { defineAllocator, integer, KvError, oneOf, readBudget } from '@qpkv/spec'

export const layerRangeOptions = {
  from: integer({ default: 0, min: 0, max: 4096, doc: 'First layer of the range.' }),
  to: integer({ default: 4, min: 0, max: 4096, doc: 'Layer behind the range.' }),
  rangeBits: oneOf([8, 4, 2], { default: 8, doc: 'The width that the released flag names.' }),
}

/**
 * What the released code of arXiv 2412.12706 hands out: 16 / rangeBits times the budget in a range of layers, 4 times
 * outside, whatever is left of the budget.
 */
export const layerRange = defineAllocator({
  name: 'layer-range',
  paper: 'https://arxiv.org/abs/2412.12706',
  options: layerRangeOptions,
  allocate: ({ from, to, rangeBits }, { layers, budget }) => {
    const measure = budget && readBudget(budget).kind.measure
    if (measure === 'bytes')
      throw new KvError(
        'KV_CONFLICT',
        'layer-range multiplies a number of tokens and cannot keep to real bytes.',
        {
          hint: 'Give the budget as { fp16Tokens } or { tokens }, or leave this allocator out (a profile of layerquant brings it).',
        },
      )
    return layers.map((layer, l) => {
      const inside = l >= from && l < to
      // The released code stores the range in 16 bit and everything else in 4, and runs with no other storage.
      if (layer.bits !== (inside ? 16 : 4))
        throw new KvError(
          'KV_CONFLICT',
          `layer-range goes with 16 bit in layers ${from} to ${to - 1} and 4 bit elsewhere; layer ${l} is stored in ${layer.bits} bit.`,
          { hint: 'Use the quantizer layerquant with profile=qpruningkv and the same range.' },
        )
      const base = measure === 'bits' ? (layer.capacity * layer.bits) / 16 : layer.capacity
      return layer.fixed ? layer.capacity : Math.floor(base * (inside ? 16 / rangeBits : 4))
    })
  },
  overspends: () => true,
})
