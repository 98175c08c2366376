import { expected, isPlainObject } from '@qpkv/spec'
import type { GenerationDefaults } from '../model/generation-config.ts'
import type { NativeSampling } from '../native/addon.ts'

/** How the next token is chosen; what is left out comes from the model's generation_config.json. */
export interface SamplingOptions {
  /** 0 = always the likeliest token. */
  readonly temperature?: number
  /** Choose among the k likeliest tokens; 0 = all. */
  readonly topK?: number
  /** Choose among the likeliest tokens that together have this probability; in (0, 1]. */
  readonly topP?: number
  /** Leave out tokens less likely than this share of the likeliest one; in [0, 1]. */
  readonly minP?: number
  /** Above 1 makes tokens that have occurred less likely. */
  readonly repetitionPenalty?: number
  /** Subtracted once from the logit of every token that has occurred, prompt included; default 0. */
  readonly presencePenalty?: number
  /** Subtracted as often as the token has occurred; default 0. */
  readonly frequencyPenalty?: number
  /** Token ids to what is added to their logits, from -100 (as good as never) to 100. */
  readonly logitBias?: Readonly<Record<number, number>>
  /**
   * Tell of every token its log-probability and this many of the likeliest, 0 to 20: the model's own, before temperature,
   * penalties, bias and constraint.
   */
  readonly logprobs?: number
}

const MOST_LOGPROBS = 20

/** Options over defaults, checked. */
export function resolveSampling(
  options: SamplingOptions,
  defaults: GenerationDefaults,
  vocabSize: number,
): NativeSampling {
  type Suggested = keyof SamplingOptions & keyof GenerationDefaults
  const number = (name: Suggested, what: string, valid: (value: number) => boolean): number => {
    const value: unknown = options[name] ?? defaults[name]
    if (typeof value === 'number' && Number.isFinite(value) && valid(value)) return value
    throw expected(what, name, value)
  }
  return {
    temperature: number('temperature', 'a number of at least 0', (v) => v >= 0),
    topK: number('topK', 'a whole number of at least 0', (v) => Number.isSafeInteger(v) && v >= 0),
    topP: number('topP', 'a number above 0 and at most 1', (v) => v > 0 && v <= 1),
    minP: number('minP', 'a number from 0 to 1', (v) => v >= 0 && v <= 1),
    repetitionPenalty: number('repetitionPenalty', 'a number above 0', (v) => v > 0),
    presencePenalty: readPenalty('presencePenalty', options),
    frequencyPenalty: readPenalty('frequencyPenalty', options),
    ...readBias(options.logitBias, vocabSize),
    ...readLogprobs(options.logprobs),
  }
}

function readPenalty(name: 'presencePenalty' | 'frequencyPenalty', options: SamplingOptions): number {
  const value: unknown = options[name] ?? 0
  if (typeof value === 'number' && Number.isFinite(value)) return value
  throw expected('a number', name, value)
}

function readBias(given: unknown, vocabSize: number): Pick<NativeSampling, 'biasIds' | 'bias'> {
  if (given === undefined) return {}
  if (!isPlainObject(given)) throw expected('an object of token ids and numbers', 'logitBias', given)
  const entries = Object.entries(given)
  for (const [id, bias] of entries) {
    if (!/^\d+$/.test(id) || Number(id) >= vocabSize)
      throw expected(`token ids from 0 to ${vocabSize - 1}`, 'logitBias', id)
    if (typeof bias !== 'number' || !(Math.abs(bias) <= 100))
      throw expected('a number from -100 to 100', `logitBias[${id}]`, bias)
  }
  if (entries.length === 0) return {}
  return {
    biasIds: Int32Array.from(entries, ([id]) => Number(id)),
    bias: Float32Array.from(entries, ([, bias]) => bias as number),
  }
}

function readLogprobs(given: unknown): Pick<NativeSampling, 'logprobs'> {
  if (given === undefined) return {}
  if (Number.isSafeInteger(given) && (given as number) >= 0 && (given as number) <= MOST_LOGPROBS)
    return { logprobs: given as number }
  throw expected(`a whole number from 0 to ${MOST_LOGPROBS}`, 'logprobs', given)
}
