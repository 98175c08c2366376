import { isPlainObject } from '@qpkv/spec'
import { ConfigReader } from './config-reader.ts'
import { readTokenIds } from './config.ts'

/** What generation_config.json suggests; `temperature` 0 means greedy. */
export interface GenerationDefaults {
  readonly temperature: number
  /** 0 = off. */
  readonly topK: number
  readonly topP: number
  readonly minP: number
  readonly repetitionPenalty: number
  readonly stopTokens: readonly number[]
}

/** Reads the values of generation_config.json; missing ones are those of the transformers library. */
export function readGenerationConfig(values: unknown, path: string): GenerationDefaults {
  const config = new ConfigReader(isPlainObject(values) ? values : {}, path)
  const sampled = config.boolean('do_sample', false)
  const share = (name: string, fallback: number) => {
    const value = config.raw(name) ?? fallback
    if (typeof value === 'number' && value >= 0 && value <= 1) return value
    throw config.wrong('a number from 0 to 1', name, value)
  }
  const temperature = config.raw('temperature') ?? 1
  if (typeof temperature !== 'number' || !(temperature >= 0))
    throw config.wrong('a number of at least 0', 'temperature', temperature)
  return {
    temperature: sampled ? temperature : 0,
    topK: config.integer('top_k', { min: 0, max: 2 ** 31 - 1 }, sampled ? 50 : 0),
    topP: share('top_p', 1),
    minP: share('min_p', 0),
    repetitionPenalty: config.positive('repetition_penalty', 1),
    stopTokens: readTokenIds(config, 'eos_token_id'),
  }
}
