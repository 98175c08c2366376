import type { CompressionInput, Context, Message, Model } from '@qpkv/core'
import { expected, KvError, type KvWarning, type SpecInput } from '@qpkv/spec'
import { JsonGrammars, type OpenConstraint } from './grammar/json-grammars.ts'
import { templateMessages } from './messages.ts'
import { PrefixFiles } from './prefix-files.ts'
import { PrefixStore, type PrefixStats } from './prefix-store.ts'
import { readReply } from './reply.ts'
import type { Replies, ReplyRequest } from './request.ts'
import { chooseTool } from './tools/choose-tool.ts'
import { forcedCall, type ForcedCall } from './tools/forced-call.ts'
import { learnToolFormat } from './tools/learn-format.ts'
import type { ToolFormat } from './tools/tool-format.ts'
import { templateTools, type Tool } from './tools/tool.ts'

export interface ChatOptions {
  /** How prompts are compressed; default: not at all. */
  readonly compression?: CompressionInput
  /** How contexts are compressed in place when others find no memory, as `whenFull` of prefill(); default: not at all. */
  readonly whenFull?: SpecInput | string
  /** Bytes of caches kept for prompts that begin like earlier ones; default 0, which keeps none. */
  readonly prefixBytes?: number
  /** A folder for those that `prefixBytes` has no room for, and for all when the chat is disposed: they serve later processes, too. */
  readonly prefixFolder?: string
  /** Bytes of files in that folder; default 8 GiB. */
  readonly prefixFileBytes?: number
}

const PREFIX_FILE_BYTES = 8 * 2 ** 30

/** What was read of a request. */
interface Reading {
  readonly ids: Int32Array
  readonly userEnd?: number
  readonly format: ToolFormat | undefined
  /** The reply has to be a call; its beginning is in `ids`. */
  readonly forced: ForcedCall | undefined
}

/** Tokens in which an open thought at a prompt's end is looked for. */
const TAIL = 16
/** What ends a thought that the template has begun, before a call that is asked for. */
const openThought = (tail: string) => {
  const name = /<([\w:]*think\w*)>\s*$/.exec(tail)?.[1]
  return name === undefined ? '' : `</${name}>\n\n`
}

/** Whether prompts are stored as they are. */
const storesAll = (compression: CompressionInput = {}): boolean =>
  typeof compression === 'string'
    ? compression === 'none+none'
    : !('recipe' in compression) && compression.prune === undefined && compression.quantize === undefined

/** Replies of one model: tools, JSON and kept prefixes over its contexts. Control tokens in contents are text. */
export class Chat {
  readonly model: Model
  private readonly options: ChatOptions
  private readonly prefixes: PrefixStore
  private readonly grammars: JsonGrammars
  private format: Promise<ToolFormat> | undefined

  constructor(model: Model, options: ChatOptions = {}) {
    this.model = model
    this.options = options
    const { prefixFolder, prefixFileBytes = PREFIX_FILE_BYTES, whenFull } = options
    this.prefixes = new PrefixStore(
      options.prefixBytes ?? 0,
      prefixFolder === undefined
        ? undefined
        : new PrefixFiles(model, prefixFolder, prefixFileBytes, whenFull),
    )
    this.grammars = new JsonGrammars(model)
  }

  get prefixStats(): PrefixStats {
    return this.prefixes.stats
  }

  /**
   * Reads the prompt; the replies begin when they are read.
   * @throws KV_INVALID_OPTION, KV_PROMPT_TOO_LONG, KV_MEMORY, KV_UNSUPPORTED for tools without a template for them, KV_ABORTED.
   */
  async open(request: ReplyRequest): Promise<Replies> {
    const { choices = 1, signal } = request
    if (!Number.isSafeInteger(choices) || choices < 1)
      throw expected('a whole number of at least 1', 'choices', choices)
    const reading = await this.read(request)
    const { maxPromptTokens = Infinity } = request
    if (reading.ids.length > maxPromptTokens)
      throw new KvError(
        'KV_PROMPT_TOO_LONG',
        `The prompt has ${reading.ids.length} tokens; at most ${maxPromptTokens} are taken.`,
      )
    const schema = reading.forced ? reading.forced.schema : request.json && (request.json.schema ?? {})
    const constraints: OpenConstraint[] = []
    const contexts: Context[] = []
    const dispose = async () => {
      for (const one of constraints.splice(0)) await one.end()
      for (const one of contexts.splice(0)) await one.dispose()
    }
    try {
      // First what can be refused at once.
      for (let i = 0; i < choices; i++) {
        if (reading.forced?.tools) constraints.push(await this.chosen(reading.ids, reading.forced.tools))
        else if (schema !== undefined) constraints.push(await this.grammars.constraint(schema))
      }
      const { prefixBytes = 0, prefixFolder, whenFull = null } = this.options
      const reuse = request.reuse ?? (prefixBytes > 0 || prefixFolder !== undefined)
      // Memory may have been short: what is kept then is what `whenFull` left.
      const compression = request.compression ?? this.options.compression
      const key = JSON.stringify([compression ?? null, whenFull])
      const kept = reuse ? await this.prefixes.find(reading.ids, key, storesAll(compression)) : undefined
      const context = kept?.context ?? (await this.prefillWithRoom(request, reading))
      contexts.push(context)
      if (kept) await context.append(reading.ids.subarray(kept.tokens), { ...(signal && { signal }) })
      if (reuse) await this.prefixes.put(reading.ids, key, context.fork())
      while (contexts.length < choices) contexts.push(context.fork())
      return {
        promptTokens: reading.ids.length,
        cachedTokens: kept?.tokens ?? 0,
        get cacheBytes() {
          return contexts.reduce((sum, { bytes }) => sum + bytes, 0)
        },
        dispose,
        replies: contexts.map((one, i) =>
          readReply({
            model: this.model,
            context: one,
            constraint: constraints[i],
            request,
            index: i,
            format: reading.format,
            forced: reading.forced?.begin,
            keep: async (tokens) => {
              const at = contexts.indexOf(one)
              if (!reuse || i > 0 || at < 0) return
              contexts.splice(at, 1)
              await this.prefixes.put(Int32Array.from([...reading.ids, ...tokens]), key, one)
            },
          }),
        ),
      }
    } catch (cause) {
      await dispose()
      throw cause
    }
  }

  /** Frees kept prefixes and the thread for grammars; the model stays. */
  async dispose(): Promise<void> {
    await this.prefixes.dispose()
    await this.grammars.dispose()
  }

  /** What is kept for later prompts gives way to this one. */
  private async prefillWithRoom(request: ReplyRequest, reading: Reading): Promise<Context> {
    for (;;)
      try {
        return await this.prefill(request, reading)
      } catch (cause) {
        // The engine's own error: it waited for others. What would not fit alone is refused without one.
        const full = KvError.isInstance(cause) && cause.code === 'KV_MEMORY' && cause.cause !== undefined
        if (!full || !(await this.prefixes.giveUpOldest())) throw cause
      }
  }

  private async prefill(request: ReplyRequest, { ids, userEnd }: Reading): Promise<Context> {
    const { whenFull } = this.options
    const options = {
      ...(whenFull !== undefined && { whenFull }),
      ...(userEnd !== undefined && { userEnd }),
      ...(request.signal && { signal: request.signal }),
      // A request cannot be asked twice whether it means it; docs say what a pruned context may have lost. Whoever wants a canary hears it.
      onWarning: ({ code, message }: KvWarning) => {
        if (code === 'KV_CANARY') process.emitWarning(message, { code, type: 'KvWarning' })
      },
    }
    const compression = request.compression ?? this.options.compression ?? {}
    try {
      return await this.model.prefill(ids, { ...options, compression })
    } catch (cause) {
      // Under the chat's own spec a prompt too short to leave anything out is kept whole.
      if (
        request.compression !== undefined ||
        !KvError.isInstance(cause) ||
        cause.code !== 'KV_BUDGET_TOO_SMALL'
      )
        throw cause
      return this.model.prefill(ids, options)
    }
  }

  private async read(request: ReplyRequest): Promise<Reading> {
    const { prompt, tools = [], toolChoice = 'auto', variables } = request
    const chat = Array.isArray(prompt) && typeof prompt[0] === 'object'
    const offered = toolChoice === 'none' ? [] : tools
    if (typeof toolChoice === 'object' && !tools.some(({ name }) => name === toolChoice.name))
      throw expected(
        `the name of one of the tools: ${tools.map(({ name }) => name).join(', ')}`,
        'toolChoice',
        toolChoice.name,
      )
    if (!chat) {
      if (offered.length > 0) throw expected('messages', 'prompt', 'a text, with tools')
      const { ids } = await this.model.tokenize(prompt)
      return { ids, format: undefined, forced: undefined }
    }
    if (toolChoice === 'required' && tools.length === 0) throw expected('at least one', 'tools', tools)
    const messages = prompt as readonly Message[]
    const format = await this.formatFor(messages, offered)
    const tokenized = await this.model.tokenize(templateMessages(messages, format?.wants), {
      controlTokens: 'text',
      variables: { ...variables, ...(offered.length > 0 && { tools: templateTools(offered) }) },
    })
    const base = {
      ids: tokenized.ids,
      ...(tokenized.userEnd !== undefined && { userEnd: tokenized.userEnd }),
    }
    if (offered.length === 0 || !format) return { ...base, format: undefined, forced: undefined }
    const forced = forcedCall(format, offered, toolChoice)
    const { tokenizer } = this.model
    if (!forced || !tokenizer) return { ...base, format, forced: undefined }
    const thought = openThought(tokenizer.decode([...base.ids.subarray(-TAIL)], { special: true }))
    const begin = tokenizer.encode(thought + forced.begin, { special: false, after: [...base.ids] })
    return { ...base, ids: Int32Array.from([...base.ids, ...begin]), format, forced }
  }

  /** Holds a reply to one of several calls, whose beginning is in `ids`. */
  private async chosen(ids: Int32Array, tools: NonNullable<ForcedCall['tools']>): Promise<OpenConstraint> {
    const { tokenizer, config } = this.model
    const after = [...ids.subarray(-TAIL)]
    const paths = []
    for (const { text, schema } of tools)
      paths.push({
        tokens: tokenizer?.encode(text, { special: false, after }) ?? [],
        rest: schema && (await this.grammars.constraint(schema)),
      })
    return chooseTool(paths, config.vocabSize)
  }

  /** How calls are written, where there are tools or earlier calls; the latter alone may be in a form that cannot be read. */
  private async formatFor(messages: readonly Message[], offered: readonly Tool[]) {
    if (offered.length > 0) return this.toolFormat()
    if (!messages.some(({ tool_calls: calls }) => calls)) return undefined
    return this.toolFormat().catch(() => undefined)
  }

  private toolFormat(): Promise<ToolFormat> {
    this.format ??= learnToolFormat(async (messages, open) => {
      const { chatTemplate } = this.model
      if (!chatTemplate) throw new KvError('KV_TOKENIZER', 'Tools need a chat template in the model folder.')
      const none = { name: 'none', description: '', parameters: { type: 'object', properties: {} } }
      return chatTemplate.render(messages, {
        addGenerationPrompt: open,
        variables: { tools: templateTools([none]) },
      })
    })
    this.format.catch(() => {
      this.format = undefined
    })
    return this.format
  }
}
