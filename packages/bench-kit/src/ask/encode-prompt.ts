import { KvError } from '@qpkv/spec'
import type { BenchModel, BenchTokenizer } from './bench-model.ts'
import type { BenchPrompt, Question } from './question.ts'

/** `query-aware`: the question is compressed with the context. `query-agnostic`: the context alone is, the question follows. */
export type BenchProtocol = 'query-aware' | 'query-agnostic'

/** A prompt before it is tokenized. */
export interface PromptParts {
  /** The user's text: context and question. */
  readonly content: string
  /** Where the context ends in `content`, in UTF-16 units. Null where nobody can tell: query-aware only. */
  readonly contextEnd: number | null
  /** What the reply is made to begin with, behind the template. */
  readonly answerPrefix: string
  /** Through the model's chat template, as one user message. */
  readonly chat: boolean
  /** Raw text: with the tokenizer's special tokens. */
  readonly special: boolean
}

export interface EncodedPrompt extends Pick<BenchPrompt, 'ids' | 'userEnd'> {
  /** What is appended afterwards, without special tokens; empty when the question is compressed too. */
  readonly rest: string
}

/**
 * Renders and tokenizes a prompt. Query-agnostic: the full prompt is rendered and cut after the last character of the context, chat
 * prefix included; both parts are tokenized apart, and the second gets no begin of text.
 * @throws KvError KV_TOKENIZER without tokenizer or template, KV_DATA where context and question cannot be told apart
 */
export async function encodePrompt(
  model: Pick<BenchModel, 'tokenizer' | 'chatTemplate'>,
  parts: PromptParts,
  protocol: BenchProtocol,
): Promise<EncodedPrompt> {
  const tokenizer = tokenizerOf(model)
  const { text, from, trimmed } = parts.chat ? await render(model, parts.content) : raw(parts.content)
  const full = text + parts.answerPrefix
  const special = !parts.chat && parts.special
  if (protocol === 'query-agnostic') {
    const cut = cutOf(parts, from, trimmed)
    return { ids: tokenizer.encode(full.slice(0, cut), { special }), rest: full.slice(cut) }
  }
  const ids = tokenizer.encode(full, { special })
  if (!parts.chat) return { ids, rest: '' }
  const userEnd = tokensUntil(tokenizer, ids, text.slice(0, from + parts.content.trim().length))
  return { ids, userEnd, rest: '' }
}

/** A prompt with its one question, as `encodePrompt` renders and cuts it. */
export async function promptOf(
  model: Pick<BenchModel, 'tokenizer' | 'chatTemplate'>,
  parts: PromptParts,
  protocol: BenchProtocol,
  question: Omit<Question, 'text'>,
): Promise<BenchPrompt> {
  const { rest, ...prompt } = await encodePrompt(model, parts, protocol)
  return { ...prompt, questions: [{ ...question, text: rest }] }
}

export function tokenizerOf({ tokenizer }: Pick<BenchModel, 'tokenizer'>): BenchTokenizer {
  if (tokenizer) return tokenizer
  throw new KvError('KV_TOKENIZER', 'The benchmark needs a tokenizer, and the model folder has none.', {
    hint: 'Put tokenizer.json beside config.json.',
  })
}

interface Rendered {
  readonly text: string
  /** Where the content begins in `text`. */
  readonly from: number
  /** Characters that the template took off the content's beginning. */
  readonly trimmed: number
}

const raw = (content: string): Rendered => ({ text: content, from: 0, trimmed: 0 })

async function render(
  { chatTemplate }: Pick<BenchModel, 'chatTemplate'>,
  content: string,
): Promise<Rendered> {
  if (!chatTemplate) {
    throw new KvError('KV_TOKENIZER', 'The profile needs a chat template, and the model folder has none.', {
      hint: 'Add chat_template.jinja to the model folder, or choose a profile with raw prompts such as qpruningkv.',
    })
  }
  const text = await chatTemplate.render([{ role: 'user', content }])
  const from = text.indexOf(content)
  if (from >= 0) return { text, from, trimmed: 0 }
  // Many templates trim the text of a turn.
  const begin = text.indexOf(content.trim())
  if (begin >= 0) return { text, from: begin, trimmed: content.length - content.trimStart().length }
  throw new KvError('KV_TOKENIZER', "The model's chat template changes the user's text.", {
    hint: 'Choose a profile with raw prompts such as qpruningkv.',
  })
}

function cutOf({ content, contextEnd }: PromptParts, from: number, trimmed: number): number {
  if (contextEnd === null) {
    throw new KvError('KV_DATA', 'Context and question cannot be told apart in this prompt.', {
      hint: 'Run it query-aware, or give data that say where the question begins.',
    })
  }
  const end = Math.min(contextEnd, content.trimEnd().length)
  return from + Math.max(0, end - trimmed)
}

/** Tokens that cover the beginning `prefix` of the text; one that reaches beyond it counts. */
function tokensUntil(tokenizer: BenchTokenizer, ids: readonly number[], prefix: string): number {
  const alone = tokenizer.encode(prefix, { special: false })
  let common = 0
  while (common < alone.length && alone[common] === ids[common]) common++
  return Math.min(common === alone.length ? common : common + 1, ids.length)
}
