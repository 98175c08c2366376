import {
  defineQuantizer,
  exactFormat,
  boolean,
  integer,
  oneOf,
  optional,
  packedFormat,
  type Bits,
  type PackedFormat,
  type TensorFormat,
} from '@qpkv/spec'
import { lloydMax } from './lloyd-max.ts'

const books = new Map<number, { levels: readonly number[]; largest: number }>()

/** The levels over the largest, in [-1, 1], and the largest in standard deviations. */
function bookOf(bits: PackedFormat['bits']) {
  const known = books.get(bits)
  if (known) return known
  const levels = lloydMax(bits)
  const largest = levels.at(-1)!
  const book = { levels: Array.from(levels, (x) => Math.fround(x / largest)), largest }
  books.set(bits, book)
  return book
}

/** A rotated key's channels are about normal with variance 1 / headDim, in units of its norm. */
function normedFormat(bits: PackedFormat['bits'], headDim: number, keep: boolean): PackedFormat {
  const { levels, largest } = bookOf(bits)
  return packedFormat({
    bits,
    scalePer: 'token',
    group: headDim,
    zero: 'none',
    levels: { codebook: levels },
    solver: { kind: 'norm', spread: largest / Math.sqrt(headDim), keep },
  })
}

/**
 * Keys less their mean, rotated, and stored as a norm and the nearest Lloyd-Max levels of a normal distribution;
 * values per token in uniform codes. Zandieh et al., "TurboQuant: Online Vector Quantization with Near-optimal
 * Distortion Rate", https://arxiv.org/abs/2504.19874, without its residual sign bit (QJL).
 */
export const turboquant = defineQuantizer({
  name: 'turboquant',
  paper: 'https://arxiv.org/abs/2504.19874',
  options: {
    bits: oneOf([8, 4, 3, 2, 1], { default: 4, doc: 'Width of a key code.' }),
    valueBits: optional(
      oneOf([8, 4, 3, 2, 1], { default: 4, doc: 'Width of a value code; left out: as keys.' }),
    ),
    center: boolean({
      default: true,
      doc: 'Subtracts the mean of the kept keys first: no attention changes by it, and what is left is smaller.',
    }),
    keepNorm: boolean({ default: true, doc: 'Keys read back have the norm that they had.' }),
    exactLayers: integer({
      default: 0,
      min: 0,
      max: 1024,
      doc: 'First and last layers that stay in 16 bit, so many each, at most half of all.',
    }),
    recent: integer({ default: 32, min: 0, max: 65536, doc: 'Newest kept tokens that stay in 16 bit.' }),
    sinks: integer({ default: 0, min: 0, max: 65536, doc: 'First kept tokens that stay in 16 bit.' }),
  },
  profiles: { vllm: { center: false, exactLayers: 2, recent: 0 } },
  format(options, { layer, model: { headDim, layers }, keyBits, valueBits }) {
    const { bits, center, keepNorm, recent, sinks } = options
    const edge = Math.min(options.exactLayers, Math.floor(layers / 2))
    const exact = layer < edge || layer >= layers - edge
    const key = (width: Bits): TensorFormat =>
      width === 16 ? exactFormat() : normedFormat(width, headDim, keepNorm)
    const value = (width: Bits): TensorFormat =>
      width === 16
        ? exactFormat()
        : packedFormat({
            bits: width,
            scalePer: 'token',
            group: headDim,
            solver: { kind: 'min-max', least: 1e-8 * (2 ** width - 1) },
          })
    return {
      key: key(keyBits ?? (exact ? 16 : bits)),
      value: value(valueBits ?? (exact ? 16 : (options.valueBits ?? bits))),
      keys: { transform: center ? 'center-hadamard' : 'hadamard' },
      recent,
      sinks,
    }
  },
})
