import { tokenizerOf, type BenchModel, type PromptParts } from '@qpkv/bench-kit'
import { KvError } from '@qpkv/spec'
import { splitQuestion } from '../readers/split-question.ts'
import type { RulerSample } from '../readers/ruler-sample.ts'
import type { ScoringProfile } from '../metrics/score-task.ts'
import { RUN_PROFILES, type RunProfile } from '../run-profile.ts'

/** What a prompt depends on beside its sample and the model. */
export interface PromptRules {
  readonly profile: ScoringProfile
  /** longest prompt in tokens, in place of the profile's; longer ones lose their middle */
  readonly maxPromptTokens?: number | undefined
  /** in place of the profile's */
  readonly chatTemplate?: boolean | undefined
}

/**
 * The prompt of a sample under a profile. Raw profiles end the prompt with the answer prefix; with a chat template it follows the
 * assistant's header. Longer prompts than the limit keep the first and the last half of it.
 * @throws KvError KV_INVALID_OPTION where a profile with limits has none for this model
 */
export function promptOf(
  sample: RulerSample,
  rules: PromptRules,
  modelName: string,
  model: Pick<BenchModel, 'tokenizer'>,
): PromptParts {
  const profile = RUN_PROFILES[rules.profile]
  const chat = rules.chatTemplate ?? profile.chatTemplate === 'model'
  const content = chat ? sample.input : sample.input + sample.answerPrefix
  const split = splitQuestion(sample)
  const { before, after } = chat ? none : wrapOf(profile, modelName)
  const whole = {
    content: before + content + after,
    contextEnd: split === null ? null : before.length + split.context.length,
  }
  return {
    ...truncate(whole, maxPromptTokens(rules, modelName), model),
    answerPrefix: chat ? sample.answerPrefix : '',
    chat,
    special: true,
  }
}

const none = { before: '', after: '' }

/** Both papers' codes put llama2 prompts between these, before they truncate. */
const wrapOf = ({ chatTemplate }: RunProfile, modelName: string) =>
  chatTemplate === 'none' && modelName.toLowerCase().includes('llama2')
    ? { before: '[INST] ', after: ' [/INST]' }
    : none

/**
 * Longest prompt in tokens, undefined for no limit.
 * @throws KvError KV_INVALID_OPTION where the profile has none for this model and the rules neither
 */
export function maxPromptTokens(rules: PromptRules, modelName: string): number | undefined {
  if (rules.maxPromptTokens !== undefined) return rules.maxPromptTokens
  const profile = RUN_PROFILES[rules.profile]
  if (profile.truncation === null) return undefined
  const name = modelName.toLowerCase().replaceAll('-', '')
  const family = (['mistral', 'llama3'] as const).find((part) => name.includes(part))
  if (family !== undefined) return profile.truncation[family]
  throw new KvError(
    'KV_INVALID_OPTION',
    `The profile ${profile.name} has no longest prompt for the model ${modelName}.`,
    { hint: 'Give one with --max-prompt-tokens; the model itself takes no more than its context length.' },
  )
}

function truncate(
  { content, contextEnd }: Pick<PromptParts, 'content' | 'contextEnd'>,
  limit: number | undefined,
  model: Pick<BenchModel, 'tokenizer'>,
): Pick<PromptParts, 'content' | 'contextEnd'> {
  if (limit === undefined) return { content, contextEnd }
  const tokenizer = tokenizerOf(model)
  const ids = tokenizer.encode(content, { special: true })
  if (ids.length <= limit) return { content, contextEnd }
  const half = Math.floor(limit / 2)
  const cut = tokenizer.decode(ids.slice(0, half)) + tokenizer.decode(ids.slice(ids.length - half))
  const question = contextEnd === null ? null : content.slice(contextEnd)
  const kept = question !== null && cut.endsWith(question)
  return { content: cut, contextEnd: kept ? cut.length - question.length : null }
}
