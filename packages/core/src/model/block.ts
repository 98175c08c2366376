import { describeValue } from '@qpkv/spec'
import { kvError } from '../errors.ts'
import type { Architecture, Cap, ExpertRule, Factor } from './architecture.ts'
import type { ConfigReader } from './config-reader.ts'

/** What a block computes, from its family's description and the config's values. */
export interface BlockConfig {
  readonly activation: Activation
  readonly normOffset: number
  /** q and k are normalized over all heads together, not head by head. */
  readonly normWholeRows: boolean
  readonly embeddingScale: number
  /** Of q k^T. */
  readonly attentionScale: number
  /** Soft cap of the scaled logits of attention, 0 for none. */
  readonly attentionCap: number
  /** Of what attention and MLP add to the stream. */
  readonly residualScale: number
  readonly logitScale: number
  readonly logitCap: number
  readonly experts?: ExpertsConfig
}

export type Activation = 'silu' | 'gelu-tanh'

export interface ExpertsConfig {
  readonly count: number
  /** Per token. */
  readonly chosen: number
  readonly intermediateSize: number
  readonly normalize: boolean
  /** Per layer: whether it has experts in place of an MLP. */
  readonly layers: readonly boolean[]
}

const activations: Readonly<Record<string, Activation>> = {
  silu: 'silu',
  swish: 'silu',
  gelu_pytorch_tanh: 'gelu-tanh',
}

/** @throws KV_UNSUPPORTED_MODEL for an activation that is not computed; KV_CONFIG for values that cannot be. */
export function readBlock(
  config: ConfigReader,
  architecture: Architecture,
  sizes: { layers: number; headDim: number },
): BlockConfig {
  const { factors = {}, caps = {}, experts } = architecture
  return {
    activation: readActivation(config, architecture),
    normOffset: architecture.normOffset ?? 0,
    normWholeRows: architecture.qkNorm === 'all-heads',
    embeddingScale: readFactor(config, factors.embedding) ?? 1,
    attentionScale: readFactor(config, factors.attention) ?? 1 / Math.sqrt(sizes.headDim),
    attentionCap: readCap(config, caps.attention),
    residualScale: readFactor(config, factors.residual) ?? 1,
    logitScale: readFactor(config, factors.logits) ?? 1,
    logitCap: readCap(config, caps.logits),
    ...(experts && { experts: readExperts(config, experts, sizes.layers) }),
  }
}

function readActivation(config: ConfigReader, { activationField, defaults }: Architecture): Activation {
  const field = activationField ?? 'hidden_act'
  const name = config.raw(field) ?? defaults.activation ?? 'silu'
  const found = typeof name === 'string' && Object.hasOwn(activations, name) ? activations[name] : undefined
  if (found) return found
  throw kvError(
    'KV_UNSUPPORTED_MODEL',
    `${config.path} has ${field} = ${describeValue(name)}; only ${Object.keys(activations).join(', ')} are computed.`,
    'Use a checkpoint of the plain architecture.',
  )
}

const readFactor = (config: ConfigReader, factor: Factor | undefined) =>
  factor && config.positive(factor.field, factor.fallback) ** (factor.power ?? 1)

/** An explicit null is no cap; only an absent key takes the family's value. */
function readCap(config: ConfigReader, cap: Cap | undefined): number {
  if (!cap || config.isNull(cap.field)) return 0
  if (config.raw(cap.field) === undefined && cap.fallback === undefined) return 0
  return config.positive(cap.field, cap.fallback)
}

function readExperts(config: ConfigReader, rule: ExpertRule, layers: number): ExpertsConfig {
  const countField =
    rule.countFields.find((name) => config.raw(name) !== undefined) ?? rule.countFields[0] ?? ''
  const count = config.integer(countField, { min: 1, max: 65_536 }, rule.count)
  const { normalize } = rule
  return {
    count,
    chosen: config.integer('num_experts_per_tok', { min: 1, max: count }, rule.chosen),
    intermediateSize: config.integer(rule.intermediateField, { min: 1, max: 1 << 24 }, rule.intermediate),
    normalize: normalize === true || config.boolean(normalize.field, normalize.fallback),
    layers: rule.layers === 'every' ? Array.from({ length: layers }, () => true) : byStep(config, layers),
  }
}

function byStep(config: ConfigReader, layers: number): boolean[] {
  const step = config.integer('decoder_sparse_step', { min: 1, max: 4096 }, 1)
  const plain = config.raw('mlp_only_layers') ?? []
  if (!Array.isArray(plain) || !plain.every((layer) => Number.isSafeInteger(layer)))
    throw config.wrong('a list of layers', 'mlp_only_layers', plain)
  return Array.from({ length: layers }, (_, layer) => !plain.includes(layer) && (layer + 1) % step === 0)
}
