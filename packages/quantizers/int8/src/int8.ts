import { defineQuantizer, exactFormat, integer, packedFormat, type TensorFormat } from '@qpkv/spec'

/**
 * int8: every token and head with its own scale and integer zero point. The cautious first choice: half the
 * memory, hardly a difference. The scheme of integer inference (Jacob et al.,
 * https://arxiv.org/abs/1712.05877) on the rows of the cache.
 */
export const int8 = defineQuantizer({
  name: 'int8',
  paper: 'https://arxiv.org/abs/1712.05877',
  options: {
    recent: integer({ default: 0, min: 0, max: 65536, doc: 'Newest kept tokens that stay in 16 bit.' }),
  },
  format: ({ recent }, { model, keyBits, valueBits }) => {
    const row = (bits: 16 | 8 | 4 | 3 | 2 | 1): TensorFormat =>
      bits === 16
        ? exactFormat()
        : packedFormat({ bits, scalePer: 'token', group: model.headDim, zero: 'integer' })
    return { key: row(keyBits ?? 8), value: row(valueBits ?? 8), recent }
  },
})
