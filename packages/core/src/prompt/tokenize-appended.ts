import { checkMessages, type Message, type TemplateOptions } from '../model/chat-template.ts'
import type { ModelParts } from '../model-parts.ts'
import { tokenizeContinuation } from './continuation.ts'
import { checkTokenized, requireTemplate, requireTokenizer, tokenizePrompt } from './tokenize-prompt.ts'

/** What can follow a context: text, token ids, or messages that continue the conversation. */
export type Appended = string | readonly Message[] | readonly number[] | Int32Array

/** Where a context ends. */
export interface ContextEnd {
  readonly model: Pick<ModelParts, 'tokenizer' | 'chatTemplate' | 'config' | 'generation'>
  /** Whether it is a conversation. */
  readonly chat: boolean
  /** Its last tokens. */
  readonly fed: readonly number[]
  /** Chosen, but not fed yet. */
  readonly pending: number | undefined
}

/** Token ids of what follows a context; dropsPending: in place of the token that was chosen last. */
export async function tokenizeAppended(
  input: Appended,
  { model, chat, fed, pending }: ContextEnd,
  options: TemplateOptions,
): Promise<{ readonly ids: Int32Array; readonly dropsPending?: boolean }> {
  const { tokenizer, chatTemplate, config, generation } = model
  const readers = { tokenizer, chatTemplate, vocabSize: config.vocabSize }
  if (typeof input === 'string') {
    const after = pending === undefined ? fed : [...fed, pending]
    const ids = await requireTokenizer(readers).encodeLong(input, { special: false, after })
    return { ids: checkTokenized(ids, readers) }
  }
  if (isEmptyList(input)) return { ids: new Int32Array(0) }
  const messages = isMessages(input) ? input : undefined
  if (messages && chat) {
    checkMessages(messages)
    const own = requireTokenizer(readers)
    const ends = (id: number) => own.isSpecial(id) || generation.stopTokens.includes(id)
    const end = { fed, pending, ends }
    const next = await tokenizeContinuation(messages, own, requireTemplate(readers), end, options)
    return { ids: checkTokenized(next.ids, readers), dropsPending: next.dropsPending }
  }
  const { ids } = await tokenizePrompt(input, readers, options)
  // A rendered conversation brings its own beginning of text; the context already has one.
  const begin = tokenizer?.idOf(tokenizer.specialTokens['bos_token'] ?? '')
  return { ids: messages && ids[0] === begin ? ids.subarray(1) : ids }
}

const isEmptyList = (input: unknown) =>
  (Array.isArray(input) || input instanceof Int32Array) && input.length === 0

const isMessages = (input: unknown): input is readonly Message[] =>
  Array.isArray(input) && typeof input[0] === 'object'
