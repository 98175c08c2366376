import { describeValue } from '@qpkv/spec'
import { kvError } from '../errors.ts'
import type { Architecture, GgufRule } from '../model/architecture.ts'
import { architectures } from '../model/architectures.ts'
import type { MetadataReader } from './metadata-reader.ts'

/** Keys of an architecture that say nothing about how it computes. */
const harmless = [
  'vocab_size',
  'tensor_data_layout',
  'rope.scaling.finetuned',
  'attention.layer_norm_epsilon',
]

/** What the metadata say about the model. */
export interface GgufModel {
  /** The same in the words of a config.json, so that one reader checks both. */
  readonly config: Readonly<Record<string, unknown>>
  readonly architecture: Architecture
  readonly rule: GgufRule
}

/** What the tensors say of the model. */
export interface TensorFacts {
  /** Rows of the embedding. */
  readonly vocabSize: number
  /** There is no output matrix. */
  readonly tied: boolean
  /** Divisors of the rotary frequencies in short and in long texts, where the model has two tables. */
  readonly longFactors?: { readonly short: readonly number[]; readonly long: readonly number[] }
}

/**
 * Reads the architecture's metadata.
 * @throws KV_UNSUPPORTED_MODEL for other architectures and for keys of a variant that is not known, naming them.
 */
export function readGgufModel(
  metadata: MetadataReader,
  { vocabSize, tied, longFactors }: TensorFacts,
): GgufModel {
  const name = metadata.text('general.architecture')
  const families = architectures.filter(({ gguf }) => gguf?.architecture === name)
  const marked = families.find(({ gguf }) => gguf?.mark && metadata.has(`${name}.${gguf.mark}`))
  const family = marked ?? families.find(({ gguf }) => gguf?.mark === undefined)
  const rule = family?.gguf
  if (name === undefined || !family || !rule)
    throw kvError(
      'KV_UNSUPPORTED_MODEL',
      `Expected a supported general.architecture in ${metadata.path} but received ${describeValue(name)}.`,
      `Supported are ${[...new Set(architectures.flatMap(({ gguf }) => gguf?.architecture ?? []))].join(', ')}.`,
    )
  const key = (rest: string) => `${name}.${rest}`
  const headDim = readHeadDim(metadata, key)
  const rotated = metadata.number(key('rope.dimension_count')) ?? headDim
  if (rotated !== headDim && !family.rope?.partial)
    throw kvError(
      'KV_UNSUPPORTED_MODEL',
      `${metadata.path} has heads of ${headDim} channels of which ${rotated} are rotated; only whole heads are.`,
    )
  const own = Object.entries(rule.fields ?? {}).map(([rest, field]) => [field, metadata.number(key(rest))])
  // Mistral models are written as llama.
  const window = rule.fields?.['attention.sliding_window']
    ? undefined
    : metadata.number(key('attention.sliding_window'))
  const config: Record<string, unknown> = {
    architectures: [window && name === 'llama' ? 'MistralForCausalLM' : family.className],
    ...rule.implied,
    ...Object.fromEntries(own),
    num_hidden_layers: metadata.number(key('block_count')),
    max_position_embeddings: metadata.number(key('context_length')),
    hidden_size: metadata.number(key('embedding_length')),
    intermediate_size: metadata.perLayer(key('feed_forward_length')),
    num_attention_heads: metadata.perLayer(key('attention.head_count')),
    num_key_value_heads:
      metadata.perLayer(key('attention.head_count_kv')) ?? metadata.perLayer(key('attention.head_count')),
    head_dim: headDim,
    rms_norm_eps: metadata.number(key('attention.layer_norm_rms_epsilon')),
    rope_theta: metadata.number(key('rope.freq_base')) ?? 10_000,
    rope_scaling: readRopeScaling(metadata, key, longFactors),
    ...(headDim && rotated !== headDim && { partial_rotary_factor: Number(rotated) / headDim }),
    vocab_size: vocabSize,
    tie_word_embeddings: tied,
    ...(window && name === 'llama' && { sliding_window: window }),
  }
  if (rule.wideAttentionLayers !== undefined)
    config['query_pre_attn_scalar'] =
      config['num_hidden_layers'] === rule.wideAttentionLayers
        ? Number(config['hidden_size']) / Number(config['num_attention_heads'])
        : headDim
  for (const name of harmless) metadata.has(key(name))
  const unread = metadata.unread(`${name}.`)
  if (unread.length > 0 || (window && name !== 'llama'))
    throw kvError(
      'KV_UNSUPPORTED_MODEL',
      `${metadata.path} says ${unread[0] ?? key('attention.sliding_window')}, which is not known of a ${name} model.`,
      'It is a variant that would be computed wrongly; use a file of the plain architecture.',
    )
  // Absent is absent, as in a config.json.
  for (const [field, value] of Object.entries(config)) if (value === undefined) delete config[field]
  return { config, architecture: family, rule }
}

type Key = (rest: string) => string

function readHeadDim(metadata: MetadataReader, key: Key): number | undefined {
  const keys = metadata.perLayer(key('attention.key_length'))
  const values = metadata.perLayer(key('attention.value_length'))
  const heads = metadata.perLayer(key('attention.head_count'))
  const hidden = metadata.number(key('embedding_length'))
  const headDim = keys ?? (heads && hidden ? hidden / heads : undefined)
  if (values !== undefined && values !== headDim)
    throw kvError(
      'KV_UNSUPPORTED_MODEL',
      `${metadata.path} has keys of ${headDim} channels and values of ${values}; only equal ones are read.`,
    )
  return headDim
}

/** In the words of a config.json's `rope_scaling`. */
function readRopeScaling(
  metadata: MetadataReader,
  key: Key,
  longFactors: TensorFacts['longFactors'],
): Record<string, unknown> | undefined {
  const type = metadata.text(key('rope.scaling.type'))
  const oldFactor = metadata.number(key('rope.scale_linear'))
  const factor = metadata.number(key('rope.scaling.factor')) ?? oldFactor
  const original = metadata.number(key('rope.scaling.original_context_length'))
  const attention = metadata.number(key('rope.scaling.attn_factor'))
  const yarn = {
    beta_fast: metadata.number(key('rope.scaling.yarn_beta_fast')),
    beta_slow: metadata.number(key('rope.scaling.yarn_beta_slow')),
  }
  const multiplier = metadata.number(key('rope.scaling.yarn_log_multiplier'))
  if (multiplier !== undefined && multiplier !== 0.1)
    throw kvError(
      'KV_UNSUPPORTED_MODEL',
      `${metadata.path} has ${key('rope.scaling.yarn_log_multiplier')} = ${multiplier}; only 0.1 is computed.`,
    )
  if (longFactors)
    return {
      rope_type: 'longrope',
      short_factor: longFactors.short,
      long_factor: longFactors.long,
      ...(attention !== undefined && { attention_factor: attention }),
    }
  if ((type === undefined || type === 'none') && (factor === undefined || factor === 1)) return undefined
  const scaling: Record<string, unknown> = {
    rope_type: type === 'none' ? 'linear' : (type ?? 'linear'),
    factor,
  }
  if (type === 'yarn')
    Object.assign(scaling, {
      ...yarn,
      original_max_position_embeddings: original,
      // The file's factor multiplies what the method computes itself.
      ...(attention !== undefined && { attention_factor: attention * (0.1 * Math.log(factor ?? 1) + 1) }),
    })
  for (const [field, value] of Object.entries(scaling)) if (value === undefined) delete scaling[field]
  return scaling
}
