import { createInterface } from 'node:readline/promises'
import { availableMemory, type CompressionInput, type Context, type Message, type Model } from '@qpkv/core'
import { KvError, nearestName, printSpec, requireRecipe, type CompressionSpec } from '@qpkv/spec'
import type { Command } from 'commander'
import type { Io } from '../io.ts'
import {
  addCanaryOption,
  addCompressionOptions,
  inputOf,
  readCompression,
  type AskedCompression,
  type CompressionFlags,
} from '../options/compression.ts'
import { addModelOptions, openModel, type ModelFlags } from '../options/model.ts'
import { wholeNumber } from '../options/numbers.ts'
import { addPromptOptions, promptOptions, type PromptFlags } from '../options/prompt.ts'
import { addSamplingOptions, samplingOptions, type SamplingFlags } from '../options/sampling.ts'
import { reportFailure } from '../output/failure.ts'
import { fittingModels } from '../output/fitting-models.ts'
import { reportText } from '../output/report-text.ts'

interface ChatFlags extends ModelFlags, CompressionFlags, SamplingFlags, PromptFlags {
  readonly system?: string
}

const COMMANDS = ['/report', '/reset', '/help', '/exit']
const HELP = `Type a message, or ${COMMANDS.join(', ')}. A message that looks like one of these begins with //.\n`
/** What no further message can make good. */
const FATAL = ['KV_ADDON', 'KV_DISPOSED', 'KV_NUMERIC']

/** `qpkv chat`: a conversation in the terminal. */
export function addChat(program: Command, io: Io): void {
  const command = program
    .command('chat')
    .description('talk to a model; the first message is compressed, what follows is added to it')
    .option('--system <TEXT>', 'a system message')
    .option('--max-tokens <N>', 'tokens at most per reply', wholeNumber(1), 512)
    .option('--stop <TEXT...>', 'texts that end a reply')
  addSamplingOptions(
    addCanaryOption(addCompressionOptions(addPromptOptions(addModelOptions(command)))),
  ).action(async (flags: ChatFlags) => {
    const compression = await readCompression(flags)
    const { recipe } = compression
    // Whatever is said after the first message is a later question.
    if (recipe) requireRecipe(recipe, { protocol: 'query-agnostic' })
    await using model = await openModel(flags, io)
    await using chat = new Chat(model, compression, flags, io)
    await chat.run()
  })
}

class Chat {
  private readonly model: Model
  private readonly asked: AskedCompression
  private readonly flags: ChatFlags
  private readonly io: Io
  private context: Context | undefined

  constructor(model: Model, asked: AskedCompression, flags: ChatFlags, io: Io) {
    this.model = model
    this.asked = asked
    this.flags = flags
    this.io = io
  }

  async run(): Promise<void> {
    const { stdin, stderr, signal } = this.io
    stderr.write(`${this.flags.model}, ${printSpec(this.asked.spec)}. ${HELP}`)
    if (this.flags.model === 'reference')
      stderr.write(
        `note: the bundled model finds things in texts and knows nothing else. To talk: qpkv chat --model org/name; ${fittingModels(availableMemory())}.\n`,
      )
    const lines = createInterface({ input: stdin, signal, crlfDelay: Infinity })
    stderr.write('> ')
    for await (const line of lines) {
      const text = line.trim()
      if (text === '/exit') break
      if (COMMANDS.includes(text)) await this.command(text)
      else if (isMistyped(text)) stderr.write(`Did you mean ${nearestName(text, COMMANDS) ?? ''}? ${HELP}`)
      else if (text !== '') await this.reply(text.startsWith('//') ? text.slice(1) : text)
      stderr.write('> ')
    }
    stderr.write('\n')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.context?.dispose()
    this.context = undefined
  }

  private async command(name: string): Promise<void> {
    const { stdout, stderr } = this.io
    if (name === '/help') stderr.write(HELP)
    else if (name === '/reset') await this[Symbol.asyncDispose]()
    else stdout.write(this.context ? reportText(this.context.report) : 'Nothing has been said yet.\n')
  }

  /** One turn. Ctrl-C ends the reply, and a message that cannot be taken is told: neither ends the conversation. */
  private async reply(content: string): Promise<void> {
    const { stdout, stderr } = this.io
    const controller = new AbortController()
    const giveBack = this.io.takeInterrupt(() => {
      controller.abort()
    })
    try {
      const context = await this.hear(content, controller.signal)
      const run = context.generate({ ...samplingOptions(this.flags), signal: controller.signal })
      for await (const { text } of run) stdout.write(text)
      stdout.write('\n')
      if ((await run.result).finishReason === 'context')
        stderr.write(
          "note: the model's context is full; type /reset to begin again, or start with --allow-long-prompt.\n",
        )
    } catch (error) {
      if (!KvError.isInstance(error) || FATAL.includes(error.code)) throw error
      if (error.code === 'KV_ABORTED') stderr.write('\n(cancelled)\n')
      else reportFailure(error, stderr)
    } finally {
      giveBack()
    }
  }

  /** The context that has heard the message: the first one makes it, later ones are added. */
  private async hear(content: string, signal: AbortSignal): Promise<Context> {
    const user = { role: 'user', content } as const
    const options = { ...promptOptions(this.flags), signal }
    if (this.context) {
      await this.context.append([user], options)
      return this.context
    }
    const { system } = this.flags
    const messages = [...(system === undefined ? [] : [{ role: 'system', content: system } as const]), user]
    this.context = await this.model.prefill(messages, {
      ...options,
      // A conversation may fill the model's context: rotary factors for long texts hold from the start.
      expectTokens: this.model.config.contextTokens,
      compression: await this.specFor(messages),
      onWarning: ({ message }) => {
        this.io.stderr.write(`note: ${message}\n`)
      },
    })
    return this.context
  }

  /** A first message of which nothing may be dropped is kept whole, quantized all the same. */
  private async specFor(messages: readonly Message[]): Promise<CompressionInput> {
    const { spec } = this.asked
    const { budget, ...whole } = { ...spec, prune: { method: 'none' } }
    if (budget === undefined) return inputOf(this.asked)
    const { controlTokens = 'read' } = this.flags
    const { ids } = await this.model.tokenize(messages, { controlTokens })
    const leastDropped = { ...spec, budget: { tokens: ids.length - 1 } }
    if (this.fits(ids.length, spec) || (ids.length > 1 && this.fits(ids.length, leastDropped)))
      return inputOf(this.asked)
    this.io.stderr.write(
      `note: the message has ${ids.length} tokens, too few to leave some out; it is kept whole.\n`,
    )
    return whole
  }

  private fits(tokens: number, spec: CompressionSpec): boolean {
    try {
      this.model.estimate(tokens, [spec])
      return true
    } catch (error) {
      if (KvError.isInstance(error) && error.code === 'KV_BUDGET_TOO_SMALL') return false
      throw error
    }
  }
}

/** One word that is almost a command. A path is none. */
const isMistyped = (text: string) => /^\/[a-z]+$/i.test(text) && nearestName(text, COMMANDS) !== undefined
