import { kvError } from '../errors.ts'
import { chatTemplateOf } from '../model/chat-template.ts'
import { readConfig, type ModelConfig } from '../model/config.ts'
import { readGenerationConfig } from '../model/generation-config.ts'
import { stopTokens, type ModelSource } from '../model/model-source.ts'
import { createTokenizer } from '../model/tokenizer.ts'
import { mapWeights } from '../model/weight-map.ts'
import { readGguf, type GgufContents } from './read-gguf.ts'

/**
 * Reads a GGUF file, or all parts of a split one: metadata, tokenizer, chat template and where the weights stand.
 * @throws KV_MODEL_FILE, KV_UNSUPPORTED_MODEL, KV_CONFIG, KV_TOKENIZER.
 */
export async function readModelFile(path: string): Promise<ModelSource> {
  const contents = await readGguf(path)
  const { model, weights } = contents
  const stated = withRopeFactors(readConfig(model.config, path), contents, path)
  const config = model.rule.wholeNorms ? { ...stated, block: { ...stated.block, normOffset: 0 } } : stated
  const tokenizer =
    contents.tokenizer && createTokenizer(contents.tokenizer.definition, contents.tokenizer.config, path)
  const generation = readGenerationConfig(contents.sampling, path)
  const tensors = mapWeights(config, weights, path)
  return {
    path,
    config,
    files: weights.files,
    tensors: model.rule.pairedRows ? withPairedRows(tensors, config.headDim) : tensors,
    tokenizer,
    chatTemplate: tokenizer && chatTemplateOf(tokenizer),
    generation: { ...generation, stopTokens: stopTokens(contents.tokenizer?.stopTokens ?? [], tokenizer) },
  }
}

const rotary = /\.(q|k|qBias|kBias)$/

/** Marks the tensors whose rows stand in pairs of rotated channels. */
function withPairedRows(tensors: ModelSource['tensors'], headDim: number): ModelSource['tensors'] {
  return Object.fromEntries(
    Object.entries(tensors).map(([role, tensor]) => [
      role,
      rotary.test(role) ? { ...tensor, pairedRows: headDim } : tensor,
    ]),
  )
}

/** The rotary frequencies divided by the file's table, where it has one. */
function withRopeFactors(config: ModelConfig, { ropeFactors }: GgufContents, path: string): ModelConfig {
  if (!ropeFactors) return config
  const [rope, ...others] = config.ropes
  const pairs = config.headDim / 2
  if (ropeFactors.length !== pairs)
    throw kvError(
      'KV_MODEL_FILE',
      `Expected ${pairs} values in rope_freqs.weight of ${path} but received ${ropeFactors.length}.`,
    )
  const inverse = rope.inverse.map((frequency, i) => frequency / (ropeFactors[i] ?? 1))
  const scaled = { ...rope, type: 'factors', inverse }
  return { ...config, rope: scaled, ropes: [scaled, ...others] }
}
