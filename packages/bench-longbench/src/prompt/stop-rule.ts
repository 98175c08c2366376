import type { DatasetFacts } from '../data/datasets.ts'
import { pythonSpace } from '@qpkv/bench-kit'
import type { Profile } from './profiles.ts'
import type { PromptTokenizer } from './truncate-middle.ts'

/** When an answer ends. Greedy decoding in all profiles. */
export interface StopRule {
  maxNewTokens: number
  /** 1 where the first new token may not end the answer. */
  minNewTokens: 0 | 1
  /** `eos`: the tokenizer's end of text; `generation-config`: the list of generation_config.json too. */
  stop: Profile['stop']
  /** Tokens by name that also end it. */
  stopTokens: readonly string[]
  /** Token ids that also end it. */
  stopIds: readonly number[]
}

/** The stop rule of a profile for a dataset; `maxNewTokens` is the official length of the dataset. */
export function stopRule(
  profile: Profile,
  dataset: DatasetFacts,
  maxNewTokens: number,
  tokenizer: PromptTokenizer,
): StopRule {
  const feed = profile.stopAtLineFeed.includes(dataset.name)
    ? Array.from(tokenizer.encode('\n', { special: false })).slice(-1)
    : []
  const minOne = profile.minOneToken === 'all' || profile.minOneToken.includes(dataset.name)
  return {
    maxNewTokens: maxNewTokens + profile.extraNewTokens,
    minNewTokens: minOne ? 1 : 0,
    stop: profile.stop,
    stopTokens: profile.stopTokens,
    stopIds: feed,
  }
}

const leadingSpace = new RegExp(`^[${pythonSpace}]+`, 'u')

/** What the profile's scorer does to a prediction before the official rules; leave it out for per-length scores. */
export function cleanPrediction(profile: Profile, prediction: string): string {
  return profile.cleaning === 'lstrip' ? prediction.replace(leadingSpace, '') : prediction
}
