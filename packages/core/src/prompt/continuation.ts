import { kvError } from '../errors.ts'
import type { ChatTemplate, Message, TemplateOptions } from '../model/chat-template.ts'
import type { Tokenizer } from '../model/tokenizer.ts'
import { MARK, renderChat } from './render-chat.ts'

/** What a conversation stands at. */
export interface ReplyEnd {
  /** The last tokens that the model was fed. */
  readonly fed: readonly number[]
  /** Chosen, but not yet fed. */
  readonly pending: number | undefined
  /** Whether a token ends replies. */
  readonly ends: (id: number) => boolean
}

/** Tokens that follow a reply. */
export interface Continuation {
  readonly ids: readonly number[]
  /** The pending token ended the reply in another way than the template does: it is not fed, the template's own closing is. */
  readonly dropsPending: boolean
}

/**
 * Messages that continue a conversation after a reply: what the template puts between the reply's text and the end, the
 * closing of the reply's turn exactly once.
 */
export async function tokenizeContinuation(
  messages: readonly Message[],
  tokenizer: Tokenizer,
  template: ChatTemplate,
  { fed, pending, ends }: ReplyEnd,
  options: TemplateOptions = {},
): Promise<Continuation> {
  const before: Message[] = [
    { role: 'user', content: '-' },
    { role: 'assistant', content: MARK },
  ]
  const { text, plain } = await renderChat([...before, ...messages], tokenizer, template, options)
  const at = text.lastIndexOf(MARK)
  if (at < 0)
    throw kvError('KV_TOKENIZER', "The model's chat template leaves out replies, so it cannot be continued.")
  const rest = text.slice(at + MARK.length)
  const last = pending ?? fed.at(-1)
  const ended = last !== undefined && ends(last)
  const closed = ended ? afterClosing(rest, tokenizer.tokenOf(last) ?? '') : undefined
  const dropsPending = ended && pending !== undefined && closed === undefined
  const from = at + MARK.length + (closed ?? 0)
  const ids = await tokenizer.encodeLong(text.slice(from), {
    special: false,
    after: pending === undefined || dropsPending ? fed : [...fed, pending],
    plain: plain.map(([begin, end]) => [begin - from, end - from] as const),
  })
  return { ids, dropsPending }
}

/** Length of what closes the turn, where the text begins with this token; some templates put a space before it. */
function afterClosing(rest: string, token: string): number | undefined {
  const spaces = rest.length - rest.trimStart().length
  return token !== '' && rest.startsWith(token, spaces) ? spaces + token.length : undefined
}
