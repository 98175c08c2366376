import {
  defineQuantizer,
  exactFormat,
  integer,
  kiviStorage,
  kiviStorageOptions,
  KvError,
  oneOf,
  releasedStorage,
  solverOf,
} from '@qpkv/spec'

/** What the released code stores outside its range, whatever was asked for. */
const RELEASED_BITS = 4

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
      doc: 'released: what the released code really stores: 16 bit in the range, 4 bit outside whatever `bits` says.',
    }),
  },
  profiles: { qpruningkv: { storage: 'released' } },
  format: (options, at) => {
    const inside = at.layer >= options.from && at.layer < options.to
    if (options.storage === 'released') {
      if (options.rangeBits === 16)
        throw new KvError(
          'KV_CONFLICT',
          'quantize.rangeBits is 16, where the released code stops: it has no codes of that width (and leaves the range in 16 bit at every other one).',
          { hint: 'Use another rangeBits, or leave the profile and storage=released out.' },
        )
      return inside
        ? { key: exactFormat(), value: exactFormat() }
        : releasedStorage({ bits: RELEASED_BITS }, at)
    }
    const width = inside ? options.rangeBits : options.bits
    return kiviStorage(
      { ...options, bits: options.bits, solver: solverOf(options.solver) },
      { ...at, keyBits: at.keyBits ?? width, valueBits: at.valueBits ?? width },
    )
  },
})
