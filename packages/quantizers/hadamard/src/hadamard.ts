import {
  defineQuantizer,
  exactFormat,
  boolean,
  integer,
  oneOf,
  packedFormat,
  type Bits,
  type PackedFormat,
  type TensorFormat,
} from '@qpkv/spec'
import { channelSigns } from './channel-signs.ts'

/** How a token's offset is stored, and what its range counts as at least. */
const rules = {
  minimum: { zero: 'float-minimum' },
  'minimum-1e-5': { zero: 'float-minimum', solver: { kind: 'min-max', least: 1e-5 } },
  integer: { zero: 'integer' },
  // The least scale of 15 steps is 1e-6.
  'in-scale': { zero: 'in-scale', metadata: 'f32', solver: { kind: 'min-max', least: 15e-6 } },
} as const satisfies Record<string, Partial<PackedFormat>>

/**
 * Keys and values rotated by the Walsh-Hadamard matrix, then every token and head with its own scale and offset: outlier
 * channels spread over all channels before anything is rounded. Ashkboos et al., "QuaRot: Outlier-Free 4-Bit Inference
 * in Rotated LLMs", https://arxiv.org/abs/2404.00456
 */
export const hadamard = defineQuantizer({
  name: 'hadamard',
  paper: 'https://arxiv.org/abs/2404.00456',
  options: {
    bits: oneOf([8, 4, 3, 2], { default: 4, doc: 'Width of a code.' }),
    recent: integer({ default: 32, min: 0, max: 65536, doc: 'Newest kept tokens that stay in 16 bit.' }),
    sinks: integer({ default: 0, min: 0, max: 65536, doc: 'First kept tokens that stay in 16 bit.' }),
    offset: oneOf(['minimum', 'integer', 'in-scale', 'minimum-1e-5'], {
      default: 'minimum',
      doc: 'What lies beside a scale: the minimum in 16 bit, an integer zero in a byte, or one in four bits of a 32-bit scale (8 bits take the byte). `minimum-1e-5` takes no smaller range.',
    }),
    signs: boolean({
      default: false,
      doc: 'Changes the signs of half of the channels before the rotation, so that equal channels do not become one impulse.',
    }),
  },
  profiles: {
    original: { offset: 'minimum-1e-5', recent: 0 },
    vllm: { bits: 4, offset: 'in-scale', signs: true, recent: 0 },
  },
  format: ({ bits, recent, sinks, offset, signs }, { model: { headDim }, keyBits, valueBits }) => {
    const row = (width: Bits): TensorFormat =>
      width === 16
        ? exactFormat()
        : packedFormat({
            bits: width,
            scalePer: 'token',
            group: headDim,
            ...rules[width === 8 && offset === 'in-scale' ? 'integer' : offset],
          })
    const rotated = {
      transform: 'hadamard',
      ...(signs && { signs: channelSigns(headDim) }),
    } as const
    return {
      key: row(keyBits ?? bits),
      value: row(valueBits ?? bits),
      keys: rotated,
      values: rotated,
      recent,
      sinks,
    }
  },
})
