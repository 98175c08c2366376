import { describeValue, isPlainObject } from '@qpkv/spec'

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

const MAX_TOP_K = 2 ** 31 - 1

/**
 * Reads the values of generation_config.json; missing ones are those of the transformers library. The file only suggests:
 * a value that cannot be is told as a warning and taken as missing, it locks no model out.
 */
export function readGenerationConfig(values: unknown, path: string): GenerationDefaults {
  const config = isPlainObject(values) ? values : {}
  const odd: string[] = []
  const read = <T>(name: string, fallback: T, accept: (value: unknown) => T | undefined): T => {
    const value = config[name] ?? undefined
    if (value === undefined) return fallback
    const accepted = accept(value)
    if (accepted === undefined) odd.push(`${name} = ${describeValue(value)}`)
    return accepted ?? fallback
  }
  const number = (name: string, fallback: number, valid: (value: number) => boolean) =>
    read(name, fallback, (value) => (isNumber(value) && valid(value) ? value : undefined))
  const sampled = read('do_sample', false, (value) => (typeof value === 'boolean' ? value : undefined))
  const temperature = number('temperature', 1, (value) => value >= 0)
  const topP = number('top_p', 1, (value) => value >= 0 && value <= 1)
  const defaults = {
    temperature: sampled ? temperature : 0,
    topK: read('top_k', sampled ? 50 : 0, readTopK),
    topP,
    minP: number('min_p', 0, (value) => value >= 0 && value <= 1),
    repetitionPenalty: number('repetition_penalty', 1, (value) => value > 0),
    stopTokens: read<number[]>('eos_token_id', [], (value) => {
      const ids: unknown[] = [value].flat()
      if (!ids.every(isTokenId)) odd.push(`eos_token_id = ${describeValue(value)}`)
      return ids.filter(isTokenId)
    }),
  }
  if (odd.length > 0)
    process.emitWarning(`${path} has ${odd.join(', ')}, which cannot be; the usual value is taken.`, {
      code: 'KV_CONFIG',
      type: 'KvWarning',
    })
  // No share of the probability at all leaves the likeliest token.
  return topP === 0 ? { ...defaults, topK: 1, topP: 1 } : defaults
}

const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value)
const isTokenId = (id: unknown): id is number => Number.isSafeInteger(id) && (id as number) >= 0

/** Negative and endless ones are ways to say "all". */
function readTopK(value: unknown): number | undefined {
  if (!isNumber(value) || !Number.isInteger(value)) return undefined
  return value < 0 || value > MAX_TOP_K ? 0 : value
}
