import {
  defineQuantizer,
  exactFormat,
  integer,
  isPlainObject,
  KvError,
  number,
  oneOf,
  optional,
  releasedStorage,
  text,
  type Bits,
  type FormatContext,
  type Json,
  type Option,
  type PackedFormat,
} from '@qpkv/spec'
import { calibrationHash, checkCalibration, readCalibration, type Calibration } from './calibration.ts'
import { keyFormat, valueFormat } from './formats.ts'
import { normalFloatLevels } from './normal-float.ts'

/** A file's path, or its parsed content. */
const calibrationOption: Option<string | { readonly [key: string]: Json } | undefined> = optional({
  default: '',
  doc: 'Calibration file (path, or its parsed JSON); left out: normal-float levels.',
  accepts: 'the path of a calibration file or its parsed JSON',
  check(value, path) {
    if (isPlainObject(value))
      return checkCalibration(value, path) as unknown as { readonly [key: string]: Json }
    return text({ default: '', doc: '' }).check(value, path)
  },
})

interface Options {
  readonly bits: 8 | 4 | 3 | 2
  readonly outliers: number
  readonly calibration: string | { readonly [key: string]: Json } | undefined
  readonly calibrationHash: string | undefined
  readonly storage: 'packed' | 'released'
}

/** The calibration that options name, checked against the hash that they may carry. */
function calibrationOf({ calibration, calibrationHash: wanted, storage }: Options): Calibration | undefined {
  if (calibration === undefined || storage === 'released') return undefined
  const loaded =
    typeof calibration === 'string'
      ? readCalibration(calibration)
      : checkCalibration(calibration, 'quantize.calibration')
  const hash = calibrationHash(loaded)
  if (wanted !== undefined && wanted !== hash)
    throw new KvError('KV_CONFLICT', `quantize.calibration has the hash ${hash}, expected ${wanted}.`, {
      hint: 'Use the calibration that the spec was made with, or drop calibrationHash.',
    })
  return loaded
}

/** Levels of one tensor of a layer at a width: the calibration's, or normal-float ones. */
function levelsOf(
  calibration: Calibration | undefined,
  at: FormatContext,
  tensor: 'key' | 'value',
  bits: PackedFormat['bits'],
) {
  if (calibration === undefined || bits === 1) return normalFloatLevels(bits)
  const layer = calibration.layers[at.layer]
  if (layer === undefined || calibration.layers.length !== at.model.layers)
    throw new KvError(
      'KV_CONFLICT',
      `quantize.calibration has ${calibration.layers.length} layers, the model ${at.model.layers}.`,
      { hint: 'Calibrations belong to one model; write one for this model with `qpkv calibrate`.' },
    )
  return [...layer[tensor][bits]]
}

/** Values beyond this size are kept exactly by the released code of arXiv 2412.12706. */
const RELEASED_THRESHOLD = 6

/**
 * KVQuant: keys per channel before RoPE, values per token, on non-uniform levels; the largest deviations kept
 * exactly in a sparse form of fixed capacity, the first tokens in 16 bit. Hooper et al., "KVQuant: Towards 10
 * Million Context Length LLM Inference with KV Cache Quantization", https://arxiv.org/abs/2401.18079
 */
export const kvquant = defineQuantizer({
  name: 'kvquant',
  paper: 'https://arxiv.org/abs/2401.18079',
  options: {
    bits: oneOf([8, 4, 3, 2], { default: 4, doc: 'Width of a code.' }),
    outliers: number({
      default: 0.01,
      min: 0,
      max: 0.1,
      doc: 'Share of values that are kept exactly beside the codes.',
    }),
    sinks: integer({ default: 1, min: 0, max: 128, doc: 'First kept tokens that stay in 16 bit.' }),
    recent: integer({ default: 0, min: 0, max: 65536, doc: 'Newest kept tokens that stay in 16 bit.' }),
    calibration: calibrationOption,
    calibrationHash: optional(text({ default: 'none', doc: 'SHA-256 that the calibration must have.' })),
    storage: oneOf(['packed', 'released'], {
      default: 'packed',
      doc: 'released: the simplified variant of the released code of arXiv 2412.12706: uniform codes after RoPE.',
    }),
    threshold: optional(
      number({
        default: RELEASED_THRESHOLD,
        min: 0,
        doc: 'With storage=released: size beyond which a value is kept exactly, the largest first; left out: 6.',
      }),
    ),
  },
  profiles: {
    // The released code has room for every value beyond; keys have a few in a hundred.
    qpruningkv: { storage: 'released', threshold: RELEASED_THRESHOLD, outliers: 0.05, sinks: 0, recent: 0 },
  },
  format: (options, at) => {
    const { bits, outliers, sinks, recent, storage, threshold } = options
    if (storage === 'released') {
      const exact = { share: outliers, threshold: threshold ?? RELEASED_THRESHOLD }
      return { ...releasedStorage({ bits, outliers: exact }, at), sinks, recent }
    }
    if (threshold !== undefined)
      throw new KvError(
        'KV_CONFLICT',
        `quantize.threshold is ${threshold}, which goes with storage=released only.`,
        {
          hint: 'Add storage=released or profile=qpruningkv, or leave it out: `outliers` says how many are kept.',
        },
      )
    const calibration = calibrationOf(options)
    const width = (override: Bits | undefined) => override ?? bits
    const key = width(at.keyBits)
    const value = width(at.valueBits)
    return {
      key: key === 16 ? exactFormat() : keyFormat(key, outliers, levelsOf(calibration, at, 'key', key)),
      value:
        value === 16
          ? exactFormat()
          : valueFormat(value, outliers, at.model.headDim, levelsOf(calibration, at, 'value', value)),
      keys: { rope: 'before' },
      sinks,
      recent,
    }
  },
  notes: (options) =>
    options.storage === 'packed' && options.calibration === undefined
      ? ['kvquant: no calibration file, normal-float levels are used']
      : [],
  calibration: (options) => {
    const calibration = calibrationOf(options)
    return calibration && calibrationHash(calibration)
  },
})
