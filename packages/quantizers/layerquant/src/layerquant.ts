import {
  defineQuantizer,
  exactFormat,
  hqqPlanBytes,
  integer,
  kiviStorage,
  kiviStorageOptions,
  oneOf,
  roundTripHqq,
  solverOf,
  type HqqStorage,
} from '@qpkv/spec'

/** What the released code stores outside its range: 4 bit, whatever was asked for. */
const releasedStorage = (tensor: 'key' | 'value'): HqqStorage => ({
  bits: 4,
  axis: tensor === 'key' ? 1 : 0,
  group: 64,
  version: '0.2.2',
  optimize: false,
  compute: 'f16',
})

/**
 * LayerQuant: layers `from` <= layer < `to` are stored at another width than the rest, in KIVI's form.
 * Zhang et al., "More Tokens, Lower Precision", https://arxiv.org/abs/2412.12706
 */
export const layerquant = defineQuantizer({
  name: 'layerquant',
  paper: 'https://arxiv.org/abs/2412.12706',
  options: {
    bits: oneOf([8, 4, 3, 2, 1], { default: 4, doc: 'Width of a code outside the range.' }),
    from: integer({ default: 0, min: 0, max: 4096, doc: 'First layer of the range.' }),
    to: integer({ default: 4, min: 0, max: 4096, doc: 'Layer behind the range.' }),
    rangeBits: oneOf([16, 8, 4, 3, 2, 1], {
      default: 8,
      doc: 'Width of a code in the range; 16 leaves it exact.',
    }),
    ...kiviStorageOptions,
    storage: oneOf(['packed', 'released'], {
      default: 'packed',
      doc: 'released: what the released code really stores: 16 bit in the range, simulated 4 bit outside.',
    }),
  },
  profiles: { qpruningkv: { storage: 'released' } },
  format: (options, at) => {
    const inside = at.layer >= options.from && at.layer < options.to
    if (options.storage === 'released') {
      const bits = inside ? 16 : 4
      return { key: exactFormat(), value: exactFormat(), simulated: { keyBits: bits, valueBits: bits } }
    }
    const width = inside ? options.rangeBits : options.bits
    return kiviStorage(
      { ...options, bits: options.bits, solver: solverOf(options.solver) },
      { ...at, keyBits: at.keyBits ?? width, valueBits: at.valueBits ?? width },
    )
  },
  simulation: {
    used: ({ storage }) => storage === 'released',
    roundTrip: ({ from, to }, block) =>
      block.layer >= from && block.layer < to
        ? { values: block.values, bytes: block.values.length * 2 }
        : roundTripHqq(block, releasedStorage(block.tensor)),
    bytes: ({ from, to }, shape) =>
      shape.layer >= from && shape.layer < to
        ? shape.heads * shape.tokens * shape.headDim * 2
        : hqqPlanBytes(shape, releasedStorage(shape.tensor)),
  },
})
