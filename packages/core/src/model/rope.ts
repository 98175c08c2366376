import type { RopeRule } from './architecture.ts'
import type { ConfigReader } from './config-reader.ts'
import { readRopeFields } from './rope-fields.ts'

/** The rotary embedding of a model: angle of channel pair i at position p = p * inverse[i]. */
export interface RopeFrequencies {
  /** `rope_type`, for messages and reports. */
  readonly type: string
  readonly theta: number
  /** [rotaryDim / 2] inverse frequencies in radians per token, scaling applied; the first `rotaryDim` channels of a head are rotated. */
  readonly inverse: Float32Array
  /** Factor on cos and sin. */
  readonly attentionFactor: number
  /** Tokens that the model was made for with this scaling. */
  readonly contextTokens: number
  /** What texts of more than `beyond` tokens turn by instead (longrope). */
  readonly long?: {
    readonly inverse: Float32Array
    readonly attentionFactor: number
    readonly beyond: number
  }
}

const f32 = Math.fround
type Scaling = (inverse: Float32Array, at: RopeSetting) => Omit<RopeFrequencies, 'type' | 'theta'>

interface RopeSetting {
  readonly scaling: ConfigReader
  readonly theta: number
  /** Channels that turn. */
  readonly rotaryDim: number
  /** `max_position_embeddings`. */
  readonly maxPositions: number
  /** Tokens before the scaling, where the file says it. */
  readonly originalTokens: number | undefined
  /** `max_sequence_length`: some files with linear scaling name the scaled length so. */
  readonly scaledTokens: number | undefined
}

const scalings: Readonly<Record<string, Scaling>> = { default: unscaled, linear, llama3, yarn, longrope }

/**
 * Inverse frequencies as the transformers library computes them in float32, and how far the scaling reaches.
 * @throws KV_UNSUPPORTED_MODEL for scalings that are not computed (dynamic).
 */
export function ropeFrequencies(
  config: ConfigReader,
  headDim: number,
  maxPositions: number,
  rule: RopeRule = {},
): RopeFrequencies {
  const { type, theta, part, scaling, originalTokens } = readRopeFields(config, rule)
  const rotaryDim = Math.trunc(headDim * part)
  if (rotaryDim < 2 || rotaryDim % 2 !== 0)
    throw config.wrong(
      `a part of ${headDim} channels that is an even number of them`,
      'partial_rotary_factor',
      part,
    )
  const apply = scalings[type] ?? unscaled
  const scaledTokens =
    config.raw('max_sequence_length') === undefined ? undefined : config.positive('max_sequence_length')
  const setting = { scaling, theta, rotaryDim, maxPositions, originalTokens, scaledTokens }
  return { type, theta, ...apply(plainFrequencies(theta, rotaryDim), setting) }
}

/** theta^(2i / rotaryDim). */
const period = (theta: number, rotaryDim: number, i: number) => f32(theta ** f32((2 * i) / rotaryDim))

function plainFrequencies(theta: number, rotaryDim: number): Float32Array {
  return Float32Array.from({ length: rotaryDim / 2 }, (_, i) => f32(1 / period(theta, rotaryDim, i)))
}

function unscaled(inverse: Float32Array, { maxPositions }: RopeSetting) {
  return { inverse, attentionFactor: 1, contextTokens: maxPositions }
}

/** Positions shrink by `factor`. */
function linear(inverse: Float32Array, setting: RopeSetting) {
  const { scaling, maxPositions, originalTokens, scaledTokens } = setting
  const factor = scaling.positive('factor')
  const contextTokens = scaledTokens ?? Math.floor((originalTokens ?? maxPositions) * factor)
  return { inverse: inverse.map((f) => f / factor), attentionFactor: 1, contextTokens }
}

/** Long wavelengths shrink by `factor`, short ones stay, with a linear passage between (Llama 3.1). */
function llama3(inverse: Float32Array, { scaling, maxPositions, originalTokens }: RopeSetting) {
  const factor = scaling.positive('factor')
  const low = scaling.positive('low_freq_factor')
  const high = scaling.positive('high_freq_factor')
  const original = originalTokens ?? maxPositions
  if (high <= low) throw scaling.wrong(`a number above low_freq_factor (${low})`, 'high_freq_factor', high)
  const scaled = inverse.map((f) => {
    const wavelength = (2 * Math.PI) / f
    if (wavelength < original / high) return f
    if (wavelength > original / low) return f / factor
    const smooth = (original / wavelength - low) / (high - low)
    return ((1 - smooth) * f) / factor + smooth * f
  })
  return { inverse: scaled, attentionFactor: 1, contextTokens: maxPositions }
}

/** YaRN (arXiv 2309.00071): channels that turn often keep their frequency, slow ones shrink, and attention is sharpened. */
function yarn(
  inverse: Float32Array,
  { scaling, theta, rotaryDim, maxPositions, originalTokens }: RopeSetting,
) {
  const original = originalTokens ?? maxPositions
  const factor = scaling.positive('factor', maxPositions / original)
  const contextTokens = Math.max(maxPositions, Math.floor(original * factor))
  /** Channel pair that turns `rotations` times over the original context. */
  const pairOf = (rotations: number) =>
    (rotaryDim * Math.log(original / (rotations * 2 * Math.PI))) / (2 * Math.log(theta))
  const truncate = scaling.boolean('truncate', true)
  const fast = pairOf(scaling.positive('beta_fast', 32))
  const slow = pairOf(scaling.positive('beta_slow', 1))
  const low = Math.max(truncate ? Math.floor(fast) : fast, 0)
  let high = Math.min(truncate ? Math.ceil(slow) : slow, rotaryDim - 1)
  if (low === high) high += 0.001 // as the original: no division by zero
  const blended = inverse.map((f, i) => {
    const shrink = Math.min(Math.max((i - low) / (high - low), 0), 1)
    return (f / factor) * shrink + f * (1 - shrink)
  })
  return { inverse: blended, attentionFactor: yarnAttentionFactor(scaling, factor), contextTokens }
}

/** LongRoPE (arXiv 2402.13753): a factor per channel pair, one list for texts up to the original context and one beyond. */
function longrope(_: Float32Array, { scaling, theta, rotaryDim, maxPositions, originalTokens }: RopeSetting) {
  const original = originalTokens ?? maxPositions
  const factor = scaling.positive('factor', maxPositions / original)
  const sharpened = factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original))
  const attentionFactor = scaling.positive('attention_factor', sharpened)
  const divided = (name: string) => {
    const factors = scaling.raw(name)
    const valid = (x: unknown) => typeof x === 'number' && Number.isFinite(x) && x > 0
    if (!Array.isArray(factors) || factors.length !== rotaryDim / 2 || !factors.every(valid))
      throw scaling.wrong(`a list of ${rotaryDim / 2} numbers above 0`, name, factors)
    return Float32Array.from(factors as number[], (x, i) =>
      f32(1 / f32(f32(x) * period(theta, rotaryDim, i))),
    )
  }
  return {
    inverse: divided('short_factor'),
    attentionFactor,
    contextTokens: maxPositions,
    long: { inverse: divided('long_factor'), attentionFactor, beyond: original },
  }
}

function yarnAttentionFactor(scaling: ConfigReader, factor: number): number {
  if (scaling.raw('attention_factor') !== undefined) return scaling.positive('attention_factor')
  const magnitude = (scale: number) => (factor <= 1 ? 1 : 0.1 * scale * Math.log(factor) + 1)
  const own = scaling.raw('mscale')
  const all = scaling.raw('mscale_all_dim')
  if (own && all) return magnitude(scaling.positive('mscale')) / magnitude(scaling.positive('mscale_all_dim'))
  return magnitude(1)
}
