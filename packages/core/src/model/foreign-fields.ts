import { describeValue } from '@qpkv/spec'
import { kvError } from '../errors.ts'
import type { Architecture } from './architecture.ts'
import { architectures } from './architectures.ts'
import type { ConfigReader } from './config-reader.ts'

/** Fields of families that are not known here; each changes what a block computes. */
const unknownVariants = [
  'alibi',
  'attention_chunk_size',
  'attention_out_bias',
  'attention_sink',
  'clip_qkv',
  'kv_lora_rank',
  'layernorm_epsilon',
  'n_routed_experts',
  'n_shared_experts',
  'num_kv_shared_layers',
  'parallel_attn',
  'qk_layernorm',
  'shared_expert_intermediate_size',
  'use_alibi',
  'use_parallel_residual',
  'use_qk_norm',
]

/** Values at which such fields change nothing. */
const isNothing = (value: unknown) =>
  value === undefined || value === false || value === 0 || (Array.isArray(value) && value.length === 0)

/** Sizes that every family has. */
const common = ['hidden_size', 'intermediate_size']

const factorFields = ({ factors = {} }: Architecture) =>
  Object.values(factors)
    .map(({ field }) => field)
    .filter((field) => !common.includes(field))

/** Fields by which a family's block differs from the plain one; windows aside, which readers of a family without them ignore. */
function fieldsOf(architecture: Architecture): string[] {
  const { bias = {}, caps = {}, experts, rope, activationField } = architecture
  return [
    ...Object.values(bias).filter((field) => typeof field === 'string'),
    ...factorFields(architecture),
    ...Object.values(caps).map(({ field }) => field),
    ...(activationField === undefined ? [] : [activationField]),
    ...(experts ? [...experts.countFields, 'num_experts_per_tok', experts.intermediateField] : []),
    ...(rope?.without ? [rope.without.listField] : []),
  ].filter((field) => !common.includes(field))
}

/**
 * Refuses a configuration with a field of another family: the class would pass over it, but the weights were trained with it.
 * @throws KV_UNSUPPORTED_MODEL, naming the field.
 */
export function refuseForeignFields(config: ConfigReader, architecture: Architecture): void {
  const own = fieldsOf(architecture)
  const factors = new Set(architectures.flatMap(factorFields))
  for (const name of new Set([...architectures.flatMap(fieldsOf), ...unknownVariants])) {
    const value = config.raw(name)
    if (own.includes(name) || isNothing(value) || (factors.has(name) && value === 1)) continue
    throw kvError(
      'KV_UNSUPPORTED_MODEL',
      `${config.path} has ${name} = ${describeValue(value)}, which ${architecture.className} does not have.`,
      'It is a variant that would be computed wrongly; use a checkpoint of the plain architecture.',
    )
  }
}
