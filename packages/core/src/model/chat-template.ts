import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describeValue, isPlainObject } from '@qpkv/spec'
import { kvError } from '../errors.ts'
import { TemplateWorker } from './template-worker.ts'
import type { Tokenizer } from './tokenizer.ts'

/** One turn of a conversation. */
export interface Message {
  readonly role: 'system' | 'user' | 'assistant' | 'tool'
  readonly content: string
}

/** What a template may be told beside the messages. */
export interface TemplateOptions {
  /** Open the reply's turn at the end (default true). */
  readonly addGenerationPrompt?: boolean
  /** Which of several named templates; default `default`. */
  readonly template?: string
  /** Further variables for the template, such as `enable_thinking`. */
  readonly variables?: Readonly<Record<string, unknown>>
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

  /** The text that the model sees for these messages, special tokens spelled out. */
  async render(messages: readonly Message[], options: TemplateOptions = {}): Promise<string> {
    const name = options.template ?? (this.sources.has('default') ? 'default' : (this.names[0] ?? ''))
    const source = this.sources.get(name)
    if (source === undefined)
      throw kvError(
        'KV_TOKENIZER',
        `Expected a chat template named ${this.names.join(' or ')} but received ${name}.`,
      )
    return this.worker.render(source, {
      ...this.tokens,
      ...options.variables,
      messages: messages.map(({ role, content }) => ({ role, content })),
      add_generation_prompt: options.addGenerationPrompt ?? true,
    })
  }

  async dispose(): Promise<void> {
    await this.worker.dispose()
  }
}

/** Templates of a folder: chat_template.jinja, else `chat_template` of tokenizer_config.json (a text or a list of named ones). */
export async function loadChatTemplate(
  folder: string,
  tokenizer: Tokenizer,
): Promise<ChatTemplate | undefined> {
  const file = await readFile(join(folder, 'chat_template.jinja'), 'utf8').catch(() => undefined)
  return chatTemplateOf(tokenizer, file)
}

/** Templates of a tokenizer's configuration; `main` takes the place of the default one. */
export function chatTemplateOf(tokenizer: Tokenizer, main?: string): ChatTemplate | undefined {
  const sources = new Map<string, string>()
  const given = tokenizer.config['chat_template']
  if (typeof given === 'string') sources.set('default', given)
  if (Array.isArray(given))
    for (const entry of given as unknown[])
      if (isPlainObject(entry) && typeof entry['name'] === 'string' && typeof entry['template'] === 'string')
        sources.set(entry['name'], entry['template'])
  if (main !== undefined) sources.set('default', main)
  return sources.size > 0 ? new ChatTemplate(sources, tokenizer.specialTokens) : undefined
}

/** Throws KV_INVALID_OPTION unless every message has a role and a text. */
export function checkMessages(messages: readonly unknown[]): asserts messages is readonly Message[] {
  for (const [i, message] of messages.entries()) {
    const valid =
      isPlainObject(message) &&
      typeof message['content'] === 'string' &&
      ['system', 'user', 'assistant', 'tool'].includes(String(message['role']))
    if (!valid)
      throw kvError(
        'KV_INVALID_OPTION',
        `Expected { role: 'system' | 'user' | 'assistant' | 'tool', content: text } for messages[${i}] but received ${describeValue(message)}.`,
      )
  }
}
