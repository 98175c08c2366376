import { kvError } from '../errors.ts'
import type { NativeTensor } from '../native/addon.ts'
import { tensorNames, type LayerRole } from './architectures.ts'
import type { ModelConfig } from './config.ts'
import { checkLeftovers, quantizedTensor } from './leftover-tensors.ts'
import type { WeightFiles } from './weight-files.ts'

/** Types of values that are read: exact ones, and the blocks of GGUF files. */
const elements: Readonly<Record<string, NativeTensor['element']>> = {
  BF16: 'bf16',
  F16: 'f16',
  F32: 'f32',
  Q4_0: 'q4_0',
  Q4_1: 'q4_1',
  Q5_0: 'q5_0',
  Q5_1: 'q5_1',
  Q8_0: 'q8_0',
  Q4_K: 'q4_k',
  Q5_K: 'q5_k',
  Q6_K: 'q6_k',
}

/**
 * The tensors that the engine needs, by role, each with the shape that config.json asks for.
 * @throws KV_MODEL_FILE when one is missing, has another shape or a type that is no plain float, and for tensors of the same parts
 * that nothing reads.
 */
export function mapWeights(
  config: ModelConfig,
  weights: WeightFiles,
  folder: string,
): Record<string, NativeTensor> {
  const quantized = quantizedTensor(weights)
  if (quantized !== undefined)
    throw kvError(
      'KV_MODEL_FILE',
      `The weights of ${folder} are quantized (${quantized}); only bf16, f16 and f32 are read.`,
      'Use a repository with unquantized weights.',
    )
  const mapped: Record<string, NativeTensor> = {}
  const wanted = wantedTensors(config, weights)
  for (const { role, name, shape } of wanted) {
    const entry = weights.tensors.get(name)
    if (!entry)
      throw kvError(
        'KV_MODEL_FILE',
        `Expected tensor ${name} in the weights of ${folder}, but it is not there.`,
        name === tensorNames.head
          ? 'Where the head shares the table of the embedding, config.json says "tie_word_embeddings": true; else the folder is incomplete.'
          : 'The folder is incomplete or belongs to another architecture than its config.json says.',
      )
    const file = weights.files[entry.file] ?? folder
    if (entry.shape.length !== shape.length || entry.shape.some((size, i) => size !== shape[i]))
      throw kvError(
        'KV_MODEL_FILE',
        `Expected shape [${shape.join(', ')}] for ${name}, as config.json of ${folder} asks, but ${file} has [${entry.shape.join(', ')}].`,
        'config.json and the weights belong to different models.',
      )
    const element = elements[entry.dtype]
    if (!element)
      throw kvError(
        'KV_MODEL_FILE',
        `Expected BF16, F16 or F32 for ${name} in ${file} but received ${entry.dtype}.`,
        'Use a repository with unquantized weights.',
      )
    mapped[role] = { file: entry.file, offset: entry.offset, element, shape: [...shape] }
  }
  checkLeftovers(weights, new Set(wanted.map(({ name }) => name)), folder)
  return mapped
}

interface WantedTensor {
  readonly role: string
  readonly name: string
  readonly shape: readonly number[]
}

/** A tied table stands under either name: safetensors store shared memory once, under the name that comes first. */
const tableName = (config: ModelConfig, { tensors }: WeightFiles) =>
  config.tiedHead && !tensors.has(tensorNames.embed) && tensors.has(tensorNames.head)
    ? tensorNames.head
    : tensorNames.embed

function wantedTensors(config: ModelConfig, weights: WeightFiles): WantedTensor[] {
  const { hiddenSize: hidden, vocabSize, architecture } = config
  const queries = config.queryHeads * config.headDim
  const keys = config.kvHeads * config.headDim
  const biases: [LayerRole, number[]][] = [
    ['qBias', [queries]],
    ['kBias', [keys]],
    ['vBias', [keys]],
  ]
  const norms: [LayerRole, number[]][] = [
    ['qNorm', [config.headDim]],
    ['kNorm', [config.headDim]],
  ]
  const perLayer: [LayerRole, number[]][] = [
    ['inputNorm', [hidden]],
    ['q', [queries, hidden]],
    ['k', [keys, hidden]],
    ['v', [keys, hidden]],
    ['o', [hidden, queries]],
    ...(architecture.qkvBias ? biases : []),
    ...(architecture.qkNorm ? norms : []),
    ['postNorm', [hidden]],
    ['gate', [config.intermediateSize, hidden]],
    ['up', [config.intermediateSize, hidden]],
    ['down', [hidden, config.intermediateSize]],
  ]
  const wanted: WantedTensor[] = [
    { role: 'embed', name: tableName(config, weights), shape: [vocabSize, hidden] },
    { role: 'norm', name: tensorNames.norm, shape: [hidden] },
  ]
  if (!config.tiedHead) wanted.push({ role: 'head', name: tensorNames.head, shape: [vocabSize, hidden] })
  for (let layer = 0; layer < config.layers; layer++)
    for (const [role, shape] of perLayer)
      wanted.push({
        role: `layers.${layer}.${role}`,
        name: tensorNames.layer[role].replace('#', String(layer)),
        shape,
      })
  return wanted
}
