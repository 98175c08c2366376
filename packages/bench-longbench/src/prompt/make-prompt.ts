import { KvError } from '@qpkv/spec'
import type { DatasetFacts } from '../data/datasets.ts'
import type { ChatWrap, Profile } from './profiles.ts'
import { type PromptTokenizer, truncateMiddle } from './truncate-middle.ts'

/** A prompt that is ready for the model. */
export interface MadePrompt {
  text: string
  /** True where the caller must put the text into the model's own chat template, as one user message. */
  modelTemplate: boolean
  /** To be put behind the model's template, where the answer begins; usually empty. */
  answerPrefix: string
  /** Whether `text` is to be tokenized with special tokens (begin of text). */
  special: boolean
  truncated: boolean
}

/** What a profile says about a model: by its name, and the user's own limit, which goes first. */
export interface PromptModel {
  /** Path or name of the model; compared in lower case. */
  name: string
  /** Longest prompt in tokens, in place of the profile's. */
  maxPromptTokens?: number
  /** model2maxlen.json of the official config. */
  official?: Readonly<Record<string, number>>
}

/**
 * Longest prompt in tokens, undefined for no limit.
 * @throws KvError KV_INVALID_OPTION where the profile has none for this model and the user gave none.
 */
export function maxPromptTokens(profile: Profile, model: PromptModel): number | undefined {
  if (model.maxPromptTokens !== undefined) return model.maxPromptTokens
  if (profile.maxPromptTokens === 'none') return undefined
  const name = model.name.toLowerCase()
  const table =
    profile.maxPromptTokens === 'config' ? Object.entries(model.official ?? {}) : profile.maxPromptTokens
  const found = table.findLast(([part]) => name.includes(part.toLowerCase()))
  if (found) return found[1]
  throw new KvError(
    'KV_INVALID_OPTION',
    `The profile ${profile.name} has no longest prompt for the model ${model.name}.`,
    {
      hint: 'Give one with --max-prompt-tokens; the official limit is the context length of the model less 500.',
    },
  )
}

/** The wrap of the profile for this model, if there is one. */
function wrapFor(profile: Profile, model: PromptModel): ChatWrap | undefined {
  const name = model.name.toLowerCase()
  return profile.wraps.find((wrap) => wrap.models.some((part) => name.includes(part)))
}

/** The answer prefix: the last line, which in the code datasets ends with a line feed. */
const lastLine = /(?:Next line of code:\n|[^\n]*)$/

/**
 * Wraps and truncates a filled prompt in the order of the profile's original: tokenize with special tokens, cut the
 * middle, put the chat text around it (or before, in two of the originals).
 */
export function makePrompt(
  profile: Profile,
  dataset: DatasetFacts,
  filled: string,
  model: PromptModel,
  tokenizer: PromptTokenizer,
): MadePrompt {
  const wrap = wrapFor(profile, model)
  const applies = wrap !== undefined && (wrap.datasets === 'all' || dataset.chatTemplate)
  const around = (text: string): string => (wrap ? `${wrap.before}${text}${wrap.after}` : text)
  const early = applies && wrap.when === 'before-truncation'
  const answerPrefix = profile.answerPrefix === 'after-template' ? (lastLine.exec(filled)?.[0] ?? '') : ''
  const limit = maxPromptTokens(profile, model)
  const body = filled.slice(0, filled.length - answerPrefix.length)
  const text = early ? around(body) : body
  const cut = limit === undefined ? { text, truncated: false } : truncateMiddle(text, limit, tokenizer)
  const late = applies && wrap.when === 'after-truncation'
  const template = wrap === undefined && profile.otherwise !== 'raw'
  return {
    text: late ? around(cut.text) : cut.text,
    modelTemplate: template && (profile.otherwise === 'model-template' || dataset.chatTemplate),
    answerPrefix,
    special: late ? wrap.special : true,
    truncated: cut.truncated,
  }
}
