import {
  promptOf,
  tokenizerOf,
  type BenchModel,
  type BenchPrompt,
  type PromptParts,
  type ReplyRule,
} from '@qpkv/bench-kit'
import { configOf, type OfficialConfig } from '../data/official-config.ts'
import { fillTemplate } from '../prompt/fill-template.ts'
import { makePrompt } from '../prompt/make-prompt.ts'
import { profiles, type ProfileName } from '../prompt/profiles.ts'
import { stopRule } from '../prompt/stop-rule.ts'
import type { LongBenchInput } from './longbench-input.ts'
import type { LongBenchRun } from './longbench-options.ts'

/** The prompt of a row under a profile, and when its reply ends. */
export function askRow(input: LongBenchInput, run: LongBenchRun): Promise<BenchPrompt> {
  const { row, dataset } = input
  const { options, state, model } = run
  const { prompt, maxNewTokens } = configOf(state.config, dataset)
  return promptOf(model, partsOf(input, prompt, run), options.protocol, {
    expected: row.answers.length === 1 ? (row.answers[0] ?? '') : JSON.stringify(row.answers),
    rule: replyRule(dataset, options.newTokens ?? maxNewTokens, options.profile, model),
  })
}

/** The model as the profiles look at it: by its name, and with a limit of the user's. */
export const aboutModel = (
  name: string,
  { maxPromptTokens: official }: OfficialConfig,
  limit: number | undefined,
) => ({
  name,
  official,
  ...(limit === undefined ? {} : { maxPromptTokens: limit }),
})

function partsOf(
  { row, dataset }: LongBenchInput,
  template: string,
  { model, modelName, options, state }: LongBenchRun,
): PromptParts {
  const filled = fillTemplate(template, row)
  const about = aboutModel(modelName, state.config, state.limit)
  const made = makePrompt(profiles[options.profile], dataset, filled.text, about, tokenizerOf(model))
  const question = filled.text.slice(filled.contextEnd, filled.text.length - made.answerPrefix.length)
  const at = filled.contextEnd === 0 ? -1 : made.text.lastIndexOf(question)
  return {
    content: made.text,
    contextEnd: at < 0 ? null : at,
    answerPrefix: made.answerPrefix,
    chat: made.modelTemplate,
    special: made.special,
  }
}

function replyRule(
  dataset: LongBenchInput['dataset'],
  newTokens: number,
  profile: ProfileName,
  model: BenchModel,
): ReplyRule {
  const tokenizer = tokenizerOf(model)
  const rule = stopRule(profiles[profile], dataset, newTokens, tokenizer)
  const named = [tokenizer.specialTokens['eos_token'] ?? '', ...rule.stopTokens]
  const ids = [
    ...(rule.stop === 'generation-config' ? model.generationDefaults.stopTokens : []),
    ...named.flatMap((name) => tokenizer.idOf(name) ?? []),
    ...rule.stopIds,
  ]
  return { maxTokens: rule.maxNewTokens, stopTokens: [...new Set(ids)], minTokens: rule.minNewTokens }
}
