import { join } from 'node:path'
import type { NativeTensor } from '../native/addon.ts'
import { loadChatTemplate, type ChatTemplate } from './chat-template.ts'
import { readConfig, type ModelConfig } from './config.ts'
import { notAModelFolder } from './foreign-model.ts'
import { readGenerationConfig, type GenerationDefaults } from './generation-config.ts'
import { readJsonObject } from './read-json.ts'
import { detectTiedHead } from './tied-head.ts'
import { loadTokenizer, type Tokenizer } from './tokenizer.ts'
import { readWeightFiles } from './weight-files.ts'
import { mapWeights } from './weight-map.ts'

/** A model as its files describe it, before any weight is read. */
export interface ModelSource {
  /** The folder or file. */
  readonly path: string
  readonly config: ModelConfig
  /** Files with weights; tensors name them by index. */
  readonly files: readonly string[]
  /** By role in the engine. */
  readonly tensors: Readonly<Record<string, NativeTensor>>
  readonly tokenizer: Tokenizer | undefined
  readonly chatTemplate: ChatTemplate | undefined
  /** Sampling defaults and the tokens that end a text. */
  readonly generation: GenerationDefaults
}

/**
 * Reads a Hugging Face folder: config.json, the headers of its safetensors, and, where present,
 * tokenizer, chat template and generation_config.json.
 * @throws KV_UNSUPPORTED_MODEL, KV_CONFIG, KV_MODEL_FILE, KV_TOKENIZER.
 */
export async function readModelFolder(folder: string): Promise<ModelSource> {
  const headers = await readModelHeaders(folder)
  const { config } = headers
  const generationPath = join(folder, 'generation_config.json')
  const generation = readGenerationConfig(await readSuggestions(generationPath), generationPath)
  const tokenizer = await loadTokenizer(folder)
  return {
    path: folder,
    ...headers,
    tokenizer,
    chatTemplate: tokenizer && (await loadChatTemplate(folder, tokenizer)),
    generation: {
      ...generation,
      stopTokens: stopTokens(
        generation.stopTokens.length > 0 ? generation.stopTokens : config.stopTokens,
        tokenizer,
      ),
    },
  }
}

/** The part of a folder that says what lies where: config.json and the headers of its safetensors. */
export async function readModelHeaders(
  folder: string,
): Promise<Pick<ModelSource, 'config' | 'files' | 'tensors'>> {
  const configPath = join(folder, 'config.json')
  const values = await readJsonObject(configPath)
  if (!values) throw await notAModelFolder(folder)
  // What config.json rules out is said before what is missing beside it.
  const stated = readConfig(values, configPath)
  const weights = await readWeightFiles(folder)
  const config = await detectTiedHead(stated, weights)
  return { config, files: weights.files, tensors: mapWeights(config, weights, folder) }
}

/** A broken generation_config.json is told, and left out: the model runs without its suggestions. */
async function readSuggestions(path: string): Promise<Record<string, unknown> | undefined> {
  try {
    return await readJsonObject(path)
  } catch (cause) {
    process.emitWarning((cause as Error).message, { code: 'KV_CONFIG', type: 'KvWarning' })
    return undefined
  }
}

/** The files' own stop tokens and the tokenizer's end of text. */
export function stopTokens(own: readonly number[], tokenizer: Tokenizer | undefined): number[] {
  const endOfText = tokenizer?.idOf(tokenizer.specialTokens['eos_token'] ?? '')
  return [...new Set(endOfText === undefined ? own : [...own, endOfText])]
}
