import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describeValue, isPlainObject } from '@qpkv/spec'
import { kvError } from '../errors.ts'
import { readJsonObject } from './read-json.ts'
import { TemplateWorker } from './template-worker.ts'
import type { Tokenizer } from './tokenizer.ts'

/** A stretch of a message's text, as OpenAI's format has it. */
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

/** Chat templates of a model folder by name. They are data from outside and run in a worker, ended when it takes too long. */
export class ChatTemplate {
  readonly names: readonly string[]
  private readonly sources: ReadonlyMap<string, string>
  private readonly tokens: Readonly<Record<string, string>>
  private readonly worker: TemplateWorker

  constructor(
    sources: ReadonlyMap<string, string>,
    tokens: Readonly<Record<string, string>>,
    options: { timeoutMs?: number } = {},
  ) {
    this.sources = sources
    this.names = [...sources.keys()]
    this.tokens = tokens
    this.worker = new TemplateWorker(options.timeoutMs)
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

  /** The text that the model sees for these messages, special tokens spelled out. */
  async render(messages: readonly Message[], options: TemplateOptions = {}): Promise<string> {
    return this.worker.render(this.source(options.template), {
      ...this.tokens,
      tools: null,
      documents: null,
      ...options.variables,
      messages,
      add_generation_prompt: options.addGenerationPrompt ?? true,
    })
  }

  async dispose(): Promise<void> {
    await this.worker.dispose()
  }
}

/** Templates of a folder: chat_template.jinja, else chat_template.json, else `chat_template` of tokenizer_config.json. */
export async function loadChatTemplate(
  folder: string,
  tokenizer: Tokenizer,
): Promise<ChatTemplate | undefined> {
  const file = await readFile(join(folder, 'chat_template.jinja'), 'utf8').catch(() => undefined)
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
