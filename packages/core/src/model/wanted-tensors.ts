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

/** All tensors that a model of this configuration has, in the order in which those that share a name lie in it. */
export function wantedTensors(config: ModelConfig, weights: WeightFiles): WantedTensor[] {
  const { hiddenSize: hidden, vocabSize, architecture } = config
  const names = architecture.tensors
  const wanted: WantedTensor[] = [
    { role: 'embed', name: `${tableName(config, names, weights)}.weight`, shape: [vocabSize, hidden] },
    { role: 'norm', name: `${names.norm}.weight`, shape: [hidden] },
  ]
  if (!config.tiedHead)
    wanted.push({ role: 'head', name: `${names.head}.weight`, shape: [vocabSize, hidden] })
  for (let layer = 0; layer < config.layers; layer++) {
    const add = (role: LayerRole, shape: readonly number[], as: string, kind = 'weight', expert = '') => {
      const name = names.layer[role]
      if (name === undefined) return
      const filled = name.replace('#', String(layer)).replace('@', expert)
      wanted.push({ role: `layers.${layer}.${as}`, name: `${filled}.${kind}`, shape })
    }
    for (const [role, shape] of [...normParts(config), ...attentionParts(config)]) add(role, shape, role)
    for (const [role, shape] of biasedParts(config, layer))
      add(role, shape.slice(0, 1), `${role}Bias`, 'bias')
    if (!config.block.experts?.layers[layer])
      for (const [role, shape] of mlpParts(config)) add(role, shape, role)
    else {
      const { count, intermediateSize: inner } = config.block.experts
      add('router', [count, hidden], 'router')
      for (let e = 0; e < count; e++) {
        add('expertGate', [inner, hidden], `experts.${e}.gate`, 'weight', String(e))
        add('expertUp', [inner, hidden], `experts.${e}.up`, 'weight', String(e))
        add('expertDown', [hidden, inner], `experts.${e}.down`, 'weight', String(e))
      }
    }
  }
  return wanted
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
