import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describeValue, isPlainObject } from '@qpkv/spec'
import { kvError } from '../errors.ts'
import { Template, TemplateError, TemplateSyntaxError } from '../jinja/template.ts'
import { readJsonObject } from './read-json.ts'
import type { Tokenizer } from './tokenizer.ts'

/** A span of a message's text, as OpenAI's format has it. */
export interface TextPart {
  readonly type: 'text'
  readonly text: string
}

/** One turn of a conversation. Further fields, such as `tool_calls`, are passed to the template as they are. */
export interface Message {
  readonly role: 'system' | 'user' | 'assistant' | 'tool'
  /** May be null beside `tool_calls`. */
  readonly content: string | readonly TextPart[] | null
  readonly name?: string
  readonly tool_calls?: readonly unknown[]
  readonly tool_call_id?: string
  readonly reasoning_content?: string
}

/** What a template may be told beside the messages. */
export interface TemplateOptions {
  /** Open the reply's turn at the end (default true). */
  readonly addGenerationPrompt?: boolean
  /** The last message is the beginning of the reply: its turn stays open, and the reply goes on where it ends. */
  readonly continueFinalMessage?: boolean
  /** Which of several named templates; default `default`. */
  readonly template?: string
  /** Further variables for the template, such as `tools` or `enable_thinking`. */
  readonly variables?: Readonly<Record<string, unknown>>
  /**
   * Control tokens that contents of messages spell out, such as `<|im_end|>`: `read` takes them for control tokens,
   * as most programs do (default); `text` keeps them letters, so that no content can end its turn or begin another.
   */
  readonly controlTokens?: 'read' | 'text'
}

/** What a template may take; they need a few milliseconds. */
const TIMEOUT_MS = 1000

/** Chat templates of a model folder by name. They are data from outside and are ended when they take too long. */
export class ChatTemplate {
  readonly names: readonly string[]
  private readonly sources: ReadonlyMap<string, string>
  private readonly tokens: Readonly<Record<string, string>>
  private readonly parsed = new Map<string, Template>()
  private readonly timeoutMs: number

  constructor(
    sources: ReadonlyMap<string, string>,
    tokens: Readonly<Record<string, string>>,
    options: { timeoutMs?: number } = {},
  ) {
    this.sources = sources
    this.names = [...sources.keys()]
    this.tokens = tokens
    this.timeoutMs = options.timeoutMs ?? TIMEOUT_MS
  }

  /** The text of a template; default: the one that is used. */
  source(name = this.sources.has('default') ? 'default' : (this.names[0] ?? '')): string {
    const source = this.sources.get(name)
    if (source !== undefined) return source
    throw kvError(
      'KV_TOKENIZER',
      `Expected a chat template named ${this.names.join(' or ')} but received ${name}.`,
    )
  }

  /**
   * The text that the model sees for these messages, special tokens spelled out.
   * @throws KV_TOKENIZER when the template cannot be read, fails, or takes too long.
   */
  async render(messages: readonly Message[], options: TemplateOptions = {}): Promise<string> {
    const source = this.source(options.template)
    try {
      const template = this.parsed.get(source) ?? new Template(source)
      this.parsed.set(source, template)
      const variables = {
        ...this.tokens,
        tools: null,
        documents: null,
        ...options.variables,
        messages,
        add_generation_prompt: options.addGenerationPrompt ?? true,
      }
      return template.render(variables, this.timeoutMs)
    } catch (cause) {
      if (!(cause instanceof TemplateError || cause instanceof TemplateSyntaxError)) throw cause
      throw kvError(
        'KV_TOKENIZER',
        `The model's chat template failed: ${cause.message}.`,
        'Pass the prompt as text or token ids instead of messages.',
      )
    }
  }
}

/** Templates of a folder: chat_template.jinja, else chat_template.json, else `chat_template` of tokenizer_config.json. */
export async function loadChatTemplate(
  folder: string,
  tokenizer: Tokenizer,
): Promise<ChatTemplate | undefined> {
  const read = await readFile(join(folder, 'chat_template.jinja'), 'utf8').catch(() => undefined)
  const file = read?.replace(/^\uFEFF/, '')
  const given = file ?? (await readJsonObject(join(folder, 'chat_template.json')))?.['chat_template']
  return chatTemplateOf(tokenizer, given)
}

/** Templates of a tokenizer's configuration (a text or a list of named ones); `main` takes the place of the default one. */
export function chatTemplateOf(tokenizer: Tokenizer, main?: unknown): ChatTemplate | undefined {
  const sources = new Map<string, string>()
  for (const given of [tokenizer.config['chat_template'], main]) {
    if (typeof given === 'string') sources.set('default', given)
    if (Array.isArray(given))
      for (const entry of given as unknown[])
        if (
          isPlainObject(entry) &&
          typeof entry['name'] === 'string' &&
          typeof entry['template'] === 'string'
        )
          sources.set(entry['name'], entry['template'])
  }
  return sources.size > 0 ? new ChatTemplate(sources, tokenizer.specialTokens) : undefined
}

/** Throws KV_INVALID_OPTION unless every message has a role and a text. */
export function checkMessages(messages: readonly unknown[]): asserts messages is readonly Message[] {
  for (const [i, message] of messages.entries()) {
    const valid =
      isPlainObject(message) &&
      hasText(message) &&
      ['system', 'user', 'assistant', 'tool'].includes(String(message['role']))
    if (!valid)
      throw kvError(
        'KV_INVALID_OPTION',
        `Expected { role: 'system' | 'user' | 'assistant' | 'tool', content: text } for messages[${i}] but received ${describeValue(message)}.`,
      )
  }
}

function hasText({ content, tool_calls: calls }: Record<string, unknown>): boolean {
  if (content === null || content === undefined) return Array.isArray(calls)
  if (!Array.isArray(content)) return typeof content === 'string'
  return content.every(
    (part) => isPlainObject(part) && part['type'] === 'text' && typeof part['text'] === 'string',
  )
}
