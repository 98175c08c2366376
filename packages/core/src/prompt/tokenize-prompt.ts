import { kvError } from '../errors.ts'
import {
  checkMessages,
  type ChatTemplate,
  type Message,
  type TemplateOptions,
} from '../model/chat-template.ts'
import type { Tokenizer } from '../model/tokenizer.ts'
import type { MarkedText } from './control-tokens.ts'
import { renderChat, userEndCharacter } from './render-chat.ts'

/** What a model can be given: text, a conversation, or token ids. */
export type Prompt = string | readonly Message[] | readonly number[] | Int32Array

/** A prompt as the model sees it. */
export interface TokenizedPrompt {
  readonly ids: Int32Array
  /** Whether the prompt is a conversation. */
  readonly chat: boolean
  /** Conversations: token index after the text of the last user turn. */
  readonly userEnd?: number
}

export interface PromptReaders {
  readonly tokenizer: Tokenizer | undefined
  readonly chatTemplate: ChatTemplate | undefined
  readonly vocabSize: number
}

/** Turns a prompt into token ids. Text gets the tokenizer's special tokens unless `special` is false. */
export async function tokenizePrompt(
  prompt: Prompt,
  readers: PromptReaders,
  options: TemplateOptions & { special?: boolean } = {},
): Promise<TokenizedPrompt> {
  if (typeof prompt === 'string') {
    const ids = await requireTokenizer(readers).encodeLong(prompt, { special: options.special ?? true })
    if (ids.length === 0) throw emptyPrompt()
    return { ids: checkTokenized(ids, readers), chat: false }
  }
  if (prompt instanceof Int32Array) return { ids: checkIds(prompt, readers.vocabSize), chat: false }
  if (!Array.isArray(prompt)) throw noPrompt(prompt)
  const items: readonly unknown[] = prompt
  if (items.length === 0) throw emptyPrompt()
  if (typeof items[0] === 'number')
    return { ids: checkIds(items as readonly number[], readers.vocabSize), chat: false }
  checkMessages(items)
  return tokenizeChat(items, readers, options)
}

async function tokenizeChat(
  messages: readonly Message[],
  readers: PromptReaders,
  options: TemplateOptions,
): Promise<TokenizedPrompt> {
  const tokenizer = requireTokenizer(readers)
  const template = requireTemplate(readers)
  const rendered = await renderChat(messages, tokenizer, template, options)
  const ids = await tokenizer.encodeLong(rendered.text, { special: false, plain: rendered.plain })
  const end = await userEndCharacter(messages, rendered.text, tokenizer, template, options)
  const userEnd = end === undefined ? undefined : await tokensUntil(tokenizer, ids, rendered, end)
  return { ids: checkTokenized(ids, readers), chat: true, ...(userEnd !== undefined && { userEnd }) }
}

/** Tokens that cover the beginning of the text; one that reaches beyond it counts. */
async function tokensUntil(
  tokenizer: Tokenizer,
  ids: readonly number[],
  { text, plain }: MarkedText,
  end: number,
): Promise<number> {
  const alone = await tokenizer.encodeLong(text.slice(0, end), { special: false, plain })
  let common = 0
  while (common < alone.length && alone[common] === ids[common]) common++
  return Math.min(common === alone.length ? common : common + 1, ids.length)
}

export function requireTokenizer({ tokenizer }: PromptReaders): Tokenizer {
  if (tokenizer) return tokenizer
  throw kvError(
    'KV_TOKENIZER',
    'The model folder has no tokenizer.json, so text cannot be used.',
    'Add the tokenizer.json of the model to its folder; in code, token ids work without it.',
  )
}

export function requireTemplate({ chatTemplate }: PromptReaders): ChatTemplate {
  if (chatTemplate) return chatTemplate
  throw kvError(
    'KV_TOKENIZER',
    'The model folder has no chat template (chat_template in tokenizer_config.json, or chat_template.jinja).',
    'Pass the prompt as text.',
  )
}

const emptyPrompt = () =>
  kvError(
    'KV_INVALID_OPTION',
    'Expected a prompt with at least one token or message, but the prompt is empty.',
  )

function noPrompt(value: unknown): Error {
  const name = ArrayBuffer.isView(value) ? value.constructor.name : typeof value
  return kvError(
    'KV_INVALID_OPTION',
    `Expected text, messages or token ids (an array or an Int32Array) as the prompt but received ${name}.`,
    ...(ArrayBuffer.isView(value) ? ['Convert the ids with Int32Array.from(ids, Number).'] : []),
  )
}

/** The tokenizer's file may know tokens that the model has no row for. */
export function checkTokenized(ids: readonly number[], { tokenizer, vocabSize }: PromptReaders): Int32Array {
  const beyond = ids.find((id) => !(id >= 0 && id < vocabSize))
  if (beyond !== undefined)
    throw kvError(
      'KV_TOKENIZER',
      `The tokenizer gives the token ${JSON.stringify(tokenizer?.tokenOf(beyond) ?? '')} with the id ${beyond}, but the model has ${vocabSize} tokens.`,
      'tokenizer.json and the weights belong to different models: download both again.',
    )
  return Int32Array.from(ids)
}

function checkIds(given: readonly number[] | Int32Array, vocabSize: number): Int32Array {
  if (given.length === 0) throw emptyPrompt()
  for (const [i, id] of given.entries())
    if (!Number.isSafeInteger(id) || id < 0 || id >= vocabSize)
      throw kvError(
        'KV_INVALID_OPTION',
        `Expected a token id from 0 to ${vocabSize - 1} at position ${i} but received ${id}.`,
      )
  return Int32Array.from(given)
}
