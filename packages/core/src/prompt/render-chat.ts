import { kvError } from '../errors.ts'
import type { ChatTemplate, Message, TemplateOptions } from '../model/chat-template.ts'
import type { Tokenizer } from '../model/tokenizer.ts'
import { ControlTokenMarks, type MarkedText } from './control-tokens.ts'

/** Neither letters nor spaces, so that no template trims or changes it; unlikely in any text. */
export const MARK = '\uE000\uE001\uE000'

/** Messages as the model sees them: rendered by the template, control tokens of their contents as the options say. */
export async function renderChat(
  messages: readonly Message[],
  tokenizer: Tokenizer,
  template: ChatTemplate,
  options: TemplateOptions,
): Promise<MarkedText> {
  if (options.continueFinalMessage !== true) return render(messages, tokenizer, template, options)
  // A mark behind the last message shows where the template goes on to close it; a space behind the mark, whether it trims.
  const last = messages.at(-1)
  const marked = withMark(messages, messages.length - 1, (text) => `${text}${MARK} `)
  const { text, plain } = await render(marked, tokenizer, template, options)
  const at = text.lastIndexOf(MARK)
  if (!last || last.role !== 'assistant' || at < 0)
    throw kvError(
      'KV_INVALID_OPTION',
      last?.role === 'assistant'
        ? "continueFinalMessage: the model's chat template leaves the last message out."
        : `continueFinalMessage expects a last message of the assistant but received one of ${last?.role ?? 'nobody'}.`,
      'Add an assistant message with the beginning of the reply.',
    )
  const begun = text.slice(0, at)
  const kept = text.startsWith(' ', at + MARK.length) ? begun : begun.trimEnd()
  return { text: kept, plain: plain.filter(([, to]) => to <= kept.length) }
}

async function render(
  messages: readonly Message[],
  tokenizer: Tokenizer,
  template: ChatTemplate,
  options: TemplateOptions,
): Promise<MarkedText> {
  const resolved =
    options.continueFinalMessage === true ? { ...options, addGenerationPrompt: false } : options
  if (options.controlTokens !== 'text') return { text: await template.render(messages, resolved), plain: [] }
  const marks = new ControlTokenMarks(tokenizer, template.source(options.template))
  const marked = marks.mark(messages)
  return marks.restore(
    await template.render(marked, { ...resolved, variables: marks.mark(options.variables ?? {}) }),
  )
}

/** The messages with a mark after the text of one of them. */
function withMark(
  messages: readonly Message[],
  index: number,
  marked = (text: string) => text.trimEnd() + MARK,
): readonly Message[] {
  const message = messages[index]
  if (!message) return messages
  const { content } = message
  const part = Array.isArray(content) ? content.findLastIndex(({ text }) => typeof text === 'string') : -1
  return messages.with(index, {
    ...message,
    content: Array.isArray(content)
      ? content.map((each, i) => (i === part ? { ...each, text: marked(String(each.text)) } : each))
      : marked(typeof content === 'string' ? content : ''),
  })
}

/** Where the text of the last user turn ends in the rendered text; undefined without such a turn. */
export async function userEndCharacter(
  messages: readonly Message[],
  text: string,
  tokenizer: Tokenizer,
  template: ChatTemplate,
  options: TemplateOptions,
): Promise<number | undefined> {
  const last = messages.findLastIndex(({ role }) => role === 'user')
  if (last < 0) return undefined
  const at = (await render(withMark(messages, last), tokenizer, template, options)).text.indexOf(MARK)
  return at >= 0 && at <= text.length ? at : undefined
}
