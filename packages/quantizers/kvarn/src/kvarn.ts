import {
  defineQuantizer,
  exactFormat,
  integer,
  oneOf,
  packedFormat,
  type Bits,
  type TensorFormat,
} from '@qpkv/spec'

/**
 * Keys and values rotated, tiles of 128 tokens evened out by a second scale, then plain rounding: keys per channel and
 * values per token. "KVarN", https://arxiv.org/abs/2606.03458
 */
export const kvarn = defineQuantizer({
  name: 'kvarn',
  paper: 'https://arxiv.org/abs/2606.03458',
  options: {
    keyBits: oneOf([8, 4, 3, 2, 1], { default: 4, doc: 'Width of a key code.' }),
    valueBits: oneOf([8, 4, 3, 2, 1], { default: 2, doc: 'Width of a value code.' }),
    steps: integer({
      default: 16,
      min: 1,
      max: 1024,
      doc: 'Steps that even out a tile; the best one counts.',
    }),
    recent: integer({ default: 32, min: 0, max: 65536, doc: 'Newest kept tokens that stay in 16 bit.' }),
    sinks: integer({ default: 0, min: 0, max: 65536, doc: 'First kept tokens that stay in 16 bit.' }),
  },
  profiles: { vllm: { steps: 8, sinks: 128, recent: 0 } },
  format: ({ keyBits, valueBits, steps, recent, sinks }, { model: { headDim }, ...asked }) => {
    const format = (bits: Bits, scalePer: 'channel' | 'token'): TensorFormat =>
      bits === 16
        ? exactFormat()
        : packedFormat({
            bits,
            scalePer,
            group: scalePer === 'channel' ? 128 : headDim,
            balance: { steps },
          })
    return {
      key: format(asked.keyBits ?? keyBits, 'channel'),
      value: format(asked.valueBits ?? valueBits, 'token'),
      keys: { transform: 'hadamard' },
      values: { transform: 'hadamard' },
      recent,
      sinks,
    }
  },
})
