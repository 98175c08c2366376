import { kvError } from '../errors.ts'
import type { NativeTensor } from '../native/addon.ts'
import type { ModelConfig } from './config.ts'
import { checkLeftovers, quantizedTensor } from './leftover-tensors.ts'
import { wantedTensors, type WantedTensor } from './wanted-tensors.ts'
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
 * The tensors that the engine needs, by role, each with the shape that config.json asks for. Roles that share a name lie
 * in that tensor behind one another.
 * @throws KV_MODEL_FILE when one is missing, has another shape or a type that is no plain float, and for tensors of the
 * same parts that nothing reads.
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
  const byName = new Map<string, WantedTensor[]>()
  for (const wanted of wantedTensors(config, weights)) {
    if (!weights.tensors.has(wanted.name))
      throw kvError(
        'KV_MODEL_FILE',
        `Expected tensor ${wanted.name} in the weights of ${folder}, but it is not there.`,
        wanted.role === 'head'
          ? 'Where the head shares the table of the embedding, config.json says "tie_word_embeddings": true; else the folder is incomplete.'
          : 'The folder is incomplete or belongs to another architecture than its config.json says.',
      )
    const others = byName.get(wanted.name)
    if (others) others.push(wanted)
    else byName.set(wanted.name, [wanted])
  }
  const mapped: Record<string, NativeTensor> = {}
  for (const [name, parts] of byName) {
    const entry = weights.tensors.get(name)
    if (!entry) continue // found above
    const file = weights.files[entry.file] ?? folder
    const shape = stackedShape(parts)
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
    let { offset } = entry
    for (const part of parts) {
      mapped[part.role] = { file: entry.file, offset, element, shape: [...part.shape] }
      offset += (entry.bytes / (shape[0] ?? 1)) * (part.shape[0] ?? 0) // all rows have as many bytes
    }
  }
  // A head beside a table that it is tied to holds the same values.
  const { embed, head } = config.architecture.tensors
  checkLeftovers(weights, new Set([...byName.keys(), `${embed}.weight`, `${head}.weight`]), folder)
  return mapped
}

/** Rows add up, the rest of the shape is common. */
const stackedShape = (parts: readonly WantedTensor[]) => [
  parts.reduce((sum, { shape }) => sum + (shape[0] ?? 0), 0),
  ...(parts[0]?.shape.slice(1) ?? []),
]
