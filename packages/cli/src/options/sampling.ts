import type { GenerateOptions } from '@qpkv/core'
import type { Command } from 'commander'
import { numberFrom, wholeNumber } from './numbers.ts'

export interface SamplingFlags {
  readonly maxTokens?: number
  readonly stop?: readonly string[]
  readonly temperature?: number
  readonly topK?: number
  readonly topP?: number
  readonly minP?: number
  readonly repetitionPenalty?: number
  readonly seed?: number
}

/** Adds --temperature and its kin; what is left out comes from the model's generation_config.json. */
export const addSamplingOptions = (command: Command): Command =>
  command
    .option('--temperature <T>', '0 = always the likeliest token', numberFrom(0, 100))
    .option('--top-k <N>', 'choose among the N likeliest; 0 = all', wholeNumber(0))
    .option('--top-p <P>', 'choose among the likeliest that make up P', numberFrom(0, 1))
    .option('--min-p <P>', 'leave out those below P of the likeliest', numberFrom(0, 1))
    .option('--repetition-penalty <X>', 'above 1: say less often what was said', numberFrom(0.01, 100))
    .option('--seed <N>', 'same seed, same reply', wholeNumber(0))

/** Flags as options of a run; what was not given stays out. */
export function samplingOptions(flags: SamplingFlags): GenerateOptions {
  const { maxTokens, stop, temperature, topK, topP, minP, repetitionPenalty, seed } = flags
  const given = { maxTokens, stop, temperature, topK, topP, minP, repetitionPenalty, seed }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}
