import type { LayerRole, TensorNames } from './architecture.ts'
import type { ModelConfig } from './config.ts'
import type { WeightFiles } from './weight-files.ts'

/** A tensor of the files and what the engine calls it. */
export interface WantedTensor {
  /** As in NativeModelDescription. */
  readonly role: string
  readonly name: string
  readonly shape: readonly number[]
}

type Part = readonly [role: LayerRole, shape: readonly number[]]

/**
 * All tensors that a model of this configuration has, in the order in which those that share a name lie in it. One by one: a
 * configuration may announce more experts than any file holds.
 */
export function* wantedTensors(config: ModelConfig, weights: WeightFiles): Generator<WantedTensor> {
  const { hiddenSize: hidden, vocabSize, architecture } = config
  const names = architecture.tensors
  yield { role: 'embed', name: `${tableName(config, names, weights)}.weight`, shape: [vocabSize, hidden] }
  yield { role: 'norm', name: `${names.norm}.weight`, shape: [hidden] }
  if (!config.tiedHead) yield { role: 'head', name: `${names.head}.weight`, shape: [vocabSize, hidden] }
  for (let layer = 0; layer < config.layers; layer++)
    for (const { role, as = role, kind = 'weight', expert, shape } of layerTensors(config, layer)) {
      const name = names.layer[role]?.replace('#', String(layer)).replace('@', String(expert))
      if (name !== undefined) yield { role: `layers.${layer}.${as}`, name: `${name}.${kind}`, shape }
    }
}

interface LayerTensor {
  readonly role: LayerRole
  /** What the engine calls it, if not as its role. */
  readonly as?: string
  readonly kind?: 'bias'
  readonly expert?: number
  readonly shape: readonly number[]
}

function* layerTensors(config: ModelConfig, layer: number): Generator<LayerTensor> {
  const experts = config.block.experts?.layers[layer] === true ? config.block.experts : undefined
  const parts = [...normParts(config), ...attentionParts(config), ...(experts ? [] : mlpParts(config))]
  for (const [role, shape] of parts) yield { role, shape }
  for (const [role, shape] of biasedParts(config, layer))
    yield { role, as: `${role}Bias`, kind: 'bias', shape: shape.slice(0, 1) }
  if (!experts) return
  const { hiddenSize: hidden } = config
  const { count, intermediateSize: inner } = experts
  yield { role: 'router', shape: [count, hidden] }
  for (let expert = 0; expert < count; expert++) {
    yield { role: 'expertGate', as: `experts.${expert}.gate`, expert, shape: [inner, hidden] }
    yield { role: 'expertUp', as: `experts.${expert}.up`, expert, shape: [inner, hidden] }
    yield { role: 'expertDown', as: `experts.${expert}.down`, expert, shape: [hidden, inner] }
  }
}

/** A tied table stands under either name: safetensors store shared memory once, under the name that comes first. */
const tableName = (config: ModelConfig, { embed, head }: TensorNames, { tensors }: WeightFiles) =>
  config.tiedHead && !tensors.has(`${embed}.weight`) && tensors.has(`${head}.weight`) ? head : embed

function normParts({ hiddenSize, queryHeads, kvHeads, headDim, architecture }: ModelConfig): Part[] {
  const { qkNorm } = architecture
  const parts: Part[] = [
    ['inputNorm', [hiddenSize]],
    ['attentionNorm', [hiddenSize]],
    ['postNorm', [hiddenSize]],
    ['mlpNorm', [hiddenSize]],
  ]
  if (qkNorm === 'head') parts.push(['qNorm', [headDim]], ['kNorm', [headDim]])
  if (qkNorm === 'all-heads') parts.push(['qNorm', [queryHeads * headDim]], ['kNorm', [kvHeads * headDim]])
  return parts
}

const attentionParts = ({ hiddenSize, queryHeads, kvHeads, headDim }: ModelConfig): Part[] => [
  ['q', [queryHeads * headDim, hiddenSize]],
  ['k', [kvHeads * headDim, hiddenSize]],
  ['v', [kvHeads * headDim, hiddenSize]],
  ['o', [hiddenSize, queryHeads * headDim]],
]

const mlpParts = ({ hiddenSize, intermediateSize }: ModelConfig): Part[] => [
  ['gate', [intermediateSize, hiddenSize]],
  ['up', [intermediateSize, hiddenSize]],
  ['down', [hiddenSize, intermediateSize]],
]

/** The projections of a layer that have a bias. */
function biasedParts(config: ModelConfig, layer: number): Part[] {
  const { qkv, output, mlp } = config.biases
  const hasMlp = !config.block.experts?.layers[layer]
  const [q, k, v, o] = attentionParts(config) as [Part, Part, Part, Part]
  return [...(qkv ? [q, k, v] : []), ...(output ? [o] : []), ...(mlp && hasMlp ? mlpParts(config) : [])]
}
