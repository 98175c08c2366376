import { expected } from '@qpkv/spec'
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
}

/** Options over defaults, checked. */
export function settleSampling(options: SamplingOptions, defaults: GenerationDefaults): NativeSampling {
  const number = (name: keyof SamplingOptions, what: string, valid: (value: number) => boolean): number => {
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
  }
}
