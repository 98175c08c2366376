import { tokenizerOf, type BenchModel, type ReplyRule } from '@qpkv/bench-kit'
import { RUN_PROFILES, taskRule } from '../run-profile.ts'
import type { RulerValues } from './ruler-options.ts'
import type { RulerInput } from './ruler-input.ts'

/** Greedy, no stop texts; tokens to generate as the profile, the file or the user says, in this order from last to first. */
export function replyRule(sample: RulerInput['sample'], values: RulerValues, model: BenchModel): ReplyRule {
  const profile = RUN_PROFILES[values.profile]
  const tokenizer = tokenizerOf(model)
  const named = [
    ...(profile.stop === 'eos' ? [tokenizer.specialTokens['eos_token'] ?? ''] : []),
    ...profile.stopTokens,
  ].flatMap((token) => tokenizer.idOf(token) ?? [])
  const own = profile.stop === 'model' ? model.generationDefaults.stopTokens : []
  const raw = values.profile === 'qpruningkv' || values.profile === 'kvcache-factory'
  const ofProfile = taskRule(values.profile, sample.task).newTokens
  return {
    maxTokens: values.newTokens ?? (raw ? ofProfile : (sample.newTokens ?? ofProfile)),
    stopTokens: [...new Set([...own, ...named])],
    minTokens: profile.minNewTokens,
  }
}
