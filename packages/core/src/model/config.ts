import { isDeepStrictEqual } from 'node:util'
import { describeValue, isPlainObject } from '@qpkv/spec'
import { kvError } from '../errors.ts'
import type { Architecture } from './architecture.ts'
import { architectures } from './architectures.ts'
import { readBlock, type BlockConfig } from './block.ts'
import { ConfigReader } from './config-reader.ts'
import { refuseForeignFields } from './foreign-fields.ts'
import { layerRopes, rotatedLayers } from './layer-rope.ts'
import type { RopeFrequencies } from './rope.ts'
import { slidingWindows } from './sliding-window.ts'

/** What config.json says, checked; sizes in elements. */
export interface ModelConfig {
  readonly architecture: Architecture
  readonly layers: number
  readonly hiddenSize: number
  readonly intermediateSize: number
  readonly queryHeads: number
  readonly kvHeads: number
  readonly headDim: number
  readonly vocabSize: number
  readonly rmsEpsilon: number
  /** Tokens that the model was made for, with the scaling of its rotary embedding. */
  readonly contextTokens: number
  readonly tiedHead: boolean
  /** Projections with a bias. */
  readonly biases: { readonly qkv: boolean; readonly output: boolean; readonly mlp: boolean }
  readonly block: BlockConfig
  /** The rotary embedding of the layers that see everything: the first of `ropes`. */
  readonly rope: RopeFrequencies
  /** Rotary embeddings; the first is that of the layers that see everything. */
  readonly ropes: readonly [RopeFrequencies, ...RopeFrequencies[]]
  /** Per layer: index into `ropes`, -1 where positions are not rotated. */
  readonly layerRope: readonly number[]
  /** Per layer: visible tokens, 0 for all. */
  readonly slidingWindow: readonly number[]
  /** Token ids that end a text, as config.json knows them. */
  readonly stopTokens: readonly number[]
}

const big = 1 << 24

/**
 * Reads config.json's values.
 * @throws KV_UNSUPPORTED_MODEL for other architectures and variants, naming them; KV_CONFIG for values that cannot be.
 */
export function readConfig(values: Readonly<Record<string, unknown>>, path: string): ModelConfig {
  const whole = new ConfigReader(values, path)
  const architecture = findArchitecture(whole)
  const config = textConfig(whole, architecture)
  refuseVariants(config, architecture)
  const { defaults } = architecture
  const layers = config.integer('num_hidden_layers', { min: 1, max: 4096 })
  const hiddenSize = config.integer('hidden_size', { min: 1, max: big })
  const queryHeads = config.integer('num_attention_heads', { min: 1, max: 65_536 }, defaults.queryHeads)
  const kvHeads = config.integer(
    'num_key_value_heads',
    { min: 1, max: queryHeads },
    defaults.kvHeads ?? queryHeads,
  )
  if (queryHeads % kvHeads !== 0)
    throw config.wrong(`a divisor of num_attention_heads (${queryHeads})`, 'num_key_value_heads', kvHeads)
  const maxPositions = config.integer(
    'max_position_embeddings',
    { min: 1, max: 2 ** 31 - 1 },
    defaults.contextTokens,
  )
  const headDim = readHeadDim(config, defaults.headDim ?? hiddenSize / queryHeads)
  const rotated = rotatedLayers(config, architecture, layers)
  const slidingWindow = slidingWindows(config, architecture, rotated)
  const { ropes, layerRope } = layerRopes(config, architecture, {
    headDim,
    maxPositions,
    rotated,
    slidingWindow,
  })
  return {
    architecture,
    layers,
    hiddenSize,
    intermediateSize: config.integer('intermediate_size', { min: 1, max: big }),
    queryHeads,
    kvHeads,
    headDim,
    vocabSize: config.integer('vocab_size', { min: 1, max: big }, defaults.vocabSize),
    rmsEpsilon: config.positive('rms_norm_eps', defaults.rmsEpsilon ?? 1e-6),
    contextTokens: ropes[0].contextTokens,
    tiedHead: config.boolean('tie_word_embeddings', defaults.tiedHead ?? false),
    biases: readBiases(config, architecture),
    block: readBlock(config, architecture, { layers, headDim }),
    rope: ropes[0],
    ropes,
    layerRope,
    slidingWindow,
    stopTokens: readTokenIds(config, 'eos_token_id'),
  }
}

function findArchitecture(config: ConfigReader): Architecture {
  const names = config.raw('architectures')
  const className = Array.isArray(names) ? (names[0] as unknown) : undefined
  const modelType = config.raw('model_type')
  const found =
    className === undefined
      ? architectures.find((candidate) => candidate.modelType === modelType)
      : architectures.find((candidate) => candidate.className === className)
  if (found) return found
  const named = className ?? modelType
  throw kvError(
    'KV_UNSUPPORTED_MODEL',
    `Expected a supported architecture in ${config.path} but received ${named === undefined ? 'none' : describeValue(named)}.`,
    `Supported are ${architectures.map(({ className }) => className).join(', ')}.`,
  )
}

/** Fields that may stand beside the text model's configuration instead of in it. */
const sharedFields = ['eos_token_id', 'tie_word_embeddings', 'quantization_config']

function textConfig(config: ConfigReader, { configField }: Architecture): ConfigReader {
  if (configField === undefined) return config
  const given = config.raw(configField)
  if (!isPlainObject(given)) throw config.wrong('an object', configField, given)
  const text = new ConfigReader(given, `${configField} of ${config.path}`)
  const shared = sharedFields.filter((name) => config.raw(name) !== undefined)
  for (const name of shared)
    if (text.raw(name) !== undefined && !isDeepStrictEqual(text.raw(name), config.raw(name)))
      throw config.wrong(
        `the same as in ${configField} (${describeValue(text.raw(name))})`,
        name,
        config.raw(name),
      )
  return text.with(Object.fromEntries(shared.map((name) => [name, config.raw(name)])))
}

/** Variants that the engine does not compute: fields of the family at other values than those that it does. */
function refuseVariants(config: ConfigReader, architecture: Architecture): void {
  const refuse = (name: string, why: string) =>
    kvError(
      'KV_UNSUPPORTED_MODEL',
      `${config.path} has ${name} = ${describeValue(config.raw(name))}; ${why}.`,
      'Use a checkpoint of the plain architecture.',
    )
  refuseForeignFields(config, architecture)
  for (const [name, values] of Object.entries(architecture.only ?? {}))
    if (config.raw(name) !== undefined && !values.includes(config.raw(name)))
      throw refuse(name, `only ${values.map((value) => describeValue(value)).join(' or ')} is computed`)
  // The same under the names of transformers, MLX and compressed-tensors.
  for (const name of ['quantization_config', 'quantization', 'compression_config'])
    if (config.raw(name) !== undefined)
      throw kvError(
        'KV_UNSUPPORTED_MODEL',
        `${config.path} has ${name} = ${describeValue(config.raw(name))}: the weights are quantized.`,
        'Only unquantized weights (bf16, f16, f32) are read: use the repository that this one was made from.',
      )
}

function readBiases(config: ConfigReader, { bias = {} }: Architecture): ModelConfig['biases'] {
  const has = (rule: true | string | undefined) =>
    rule === true || (rule !== undefined && config.boolean(rule, false))
  return { qkv: has(bias.qkv), output: has(bias.output), mlp: has(bias.mlp) }
}

function readHeadDim(config: ConfigReader, fallback: number): number {
  const headDim = config.raw('head_dim') ?? fallback
  if (typeof headDim === 'number' && headDim >= 4 && headDim <= 256 && headDim % 2 === 0) return headDim
  throw config.wrong(
    'an even number from 4 to 256',
    'head_dim (or hidden_size / num_attention_heads)',
    headDim,
  )
}

/** A token id or a list of them; null and absent are an empty list. */
function readTokenIds(config: ConfigReader, name: string): number[] {
  const value = config.raw(name)
  const ids: unknown[] = value === undefined ? [] : Array.isArray(value) ? value : [value]
  if (ids.every((id): id is number => Number.isSafeInteger(id) && (id as number) >= 0)) return ids
  throw config.wrong('a token id or a list of them', name, value)
}
