import { kvError } from '../errors.ts'
import {
  checkMessages,
  type ChatTemplate,
  type Message,
  type TemplateOptions,
} from '../model/chat-template.ts'
import type { Tokenizer } from '../model/tokenizer.ts'

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
    const ids = requireTokenizer(readers).encode(prompt, { special: options.special ?? true })
    return { ids: Int32Array.from(ids), chat: false }
  }
  if (prompt instanceof Int32Array) return { ids: checkIds(prompt, readers.vocabSize), chat: false }
  if (!Array.isArray(prompt))
    throw kvError(
      'KV_INVALID_OPTION',
      `Expected text, messages or token ids as the prompt but received ${typeof prompt}.`,
    )
  const items: readonly unknown[] = prompt
  if (items.length === 0)
    throw kvError('KV_INVALID_OPTION', 'Expected a prompt with at least one token or message.')
  if (typeof items[0] === 'number')
    return { ids: checkIds(items as readonly number[], readers.vocabSize), chat: false }
  checkMessages(items)
  return renderChat(items, readers, options)
}

async function renderChat(
  messages: readonly Message[],
  readers: PromptReaders,
  options: TemplateOptions,
): Promise<TokenizedPrompt> {
  const tokenizer = requireTokenizer(readers)
  const template = requireTemplate(readers)
  const text = await template.render(messages, options)
  const ids = tokenizer.encode(text, { special: false })
  const end = await userEndCharacter(messages, text, template, options)
  const userEnd = end === undefined ? undefined : tokensUntil(tokenizer, ids, text.slice(0, end))
  return { ids: Int32Array.from(ids), chat: true, ...(userEnd !== undefined && { userEnd }) }
}

// Neither letters nor spaces, so that no template trims or changes it; unlikely in any text.
const MARK = '\uE000\uE001\uE000'

/** Where the last user turn's text ends in the rendered text; undefined without such a turn. */
async function userEndCharacter(
  messages: readonly Message[],
  text: string,
  template: ChatTemplate,
  options: TemplateOptions,
): Promise<number | undefined> {
  const last = messages.findLastIndex(({ role }) => role === 'user')
  const turn = messages[last]
  if (!turn) return undefined
  // A template may trim or wrap the text: a second rendering with a mark at its end shows where it went.
  const marked = messages.with(last, { role: 'user', content: turn.content.trimEnd() + MARK })
  const at = (await template.render(marked, options)).indexOf(MARK)
  return at >= 0 && at <= text.length ? at : undefined
}

/** Tokens that cover the beginning `prefix` of the text; one that reaches beyond it counts. */
function tokensUntil(tokenizer: Tokenizer, ids: readonly number[], prefix: string): number {
  const alone = tokenizer.encode(prefix, { special: false })
  let common = 0
  while (common < alone.length && alone[common] === ids[common]) common++
  return Math.min(common === alone.length ? common : common + 1, ids.length)
}

/**
 * Messages that continue a conversation after a reply: what the template puts between the reply's text and the end. `last` is the
 * token that the context saw last; where it already closes the reply's turn it is not repeated.
 */
export async function tokenizeContinuation(
  messages: readonly Message[],
  readers: PromptReaders,
  last: number | undefined,
  options: TemplateOptions = {},
): Promise<Int32Array> {
  const tokenizer = requireTokenizer(readers)
  const before: Message[] = [
    { role: 'user', content: '-' },
    { role: 'assistant', content: MARK },
  ]
  const text = await requireTemplate(readers).render([...before, ...messages], options)
  const at = text.lastIndexOf(MARK)
  if (at < 0)
    throw kvError('KV_TOKENIZER', "The model's chat template leaves out replies, so it cannot be continued.")
  let rest = text.slice(at + MARK.length)
  const closing = last === undefined ? '' : tokenizer.decode([last], { special: true })
  if (closing !== '' && rest.startsWith(closing)) rest = rest.slice(closing.length)
  return Int32Array.from(tokenizer.encode(rest, { special: false }))
}

export function requireTokenizer({ tokenizer }: PromptReaders): Tokenizer {
  if (tokenizer) return tokenizer
  throw kvError(
    'KV_TOKENIZER',
    'The model folder has no tokenizer.json, so text cannot be used.',
    'Add the tokenizer.json of the model to its folder; in code, token ids work without it.',
  )
}

function requireTemplate({ chatTemplate }: PromptReaders): ChatTemplate {
  if (chatTemplate) return chatTemplate
  throw kvError(
    'KV_TOKENIZER',
    'The model folder has no chat template (chat_template in tokenizer_config.json, or chat_template.jinja).',
    'Pass the prompt as text.',
  )
}

function checkIds(given: readonly number[] | Int32Array, vocabSize: number): Int32Array {
  if (given.length === 0)
    throw kvError('KV_INVALID_OPTION', 'Expected a prompt with at least one token or message.')
  for (const [i, id] of given.entries())
    if (!Number.isSafeInteger(id) || id < 0 || id >= vocabSize)
      throw kvError(
        'KV_INVALID_OPTION',
        `Expected a token id from 0 to ${vocabSize - 1} at position ${i} but received ${id}.`,
      )
  return Int32Array.from(given)
}
