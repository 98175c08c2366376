import { createInterface } from 'node:readline/promises'
import type { Context, Model } from '@qpkv/core'
import { KvError, printSpec, type CompressionSpec } from '@qpkv/spec'
import type { Command } from 'commander'
import type { Io } from '../io.ts'
import { addCompressionOptions, readCompression, type CompressionFlags } from '../options/compression.ts'
import { addModelOptions, openModel, type ModelFlags } from '../options/model.ts'
import { wholeNumber } from '../options/numbers.ts'
import { addSamplingOptions, samplingOptions, type SamplingFlags } from '../options/sampling.ts'
import { reportText } from '../output/report-text.ts'

interface ChatFlags extends ModelFlags, CompressionFlags, SamplingFlags {
  readonly system?: string
}

const HELP = 'Type a message, or /report, /reset, /help, /exit.\n'

/** `qpkv chat`: a conversation in the terminal. */
export function addChat(program: Command, io: Io): void {
  const command = program
    .command('chat')
    .description('talk to a model; the first message is compressed, what follows is added to it')
    .option('--system <TEXT>', 'a system message')
    .option('--max-tokens <N>', 'tokens at most per reply', wholeNumber(1), 512)
    .option('--stop <TEXT...>', 'texts that end a reply')
  addSamplingOptions(addCompressionOptions(addModelOptions(command))).action(async (flags: ChatFlags) => {
    const spec = await readCompression(flags)
    await using model = await openModel(flags, io)
    await using chat = new Chat(model, spec, flags, io)
    await chat.run()
  })
}

class Chat {
  private readonly model: Model
  private readonly spec: CompressionSpec
  private readonly flags: ChatFlags
  private readonly io: Io
  private context: Context | undefined

  constructor(model: Model, spec: CompressionSpec, flags: ChatFlags, io: Io) {
    this.model = model
    this.spec = spec
    this.flags = flags
    this.io = io
  }

  async run(): Promise<void> {
    const { stdin, stderr, signal } = this.io
    stderr.write(`${this.flags.model}, ${printSpec(this.spec)}. ${HELP}`)
    const lines = createInterface({ input: stdin, signal, crlfDelay: Infinity })
    stderr.write('> ')
    for await (const line of lines) {
      const text = line.trim()
      if (text === '/exit') break
      if (text.startsWith('/')) await this.command(text)
      else if (text !== '') await this.reply(text)
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
    if (name === '/report')
      stdout.write(this.context ? reportText(this.context.report) : 'Nothing has been said yet.\n')
    else if (name === '/reset') await this[Symbol.asyncDispose]()
    else stderr.write(name === '/help' ? HELP : `There is no ${name}. ${HELP}`)
  }

  /** One turn. Ctrl-C ends the reply, not the conversation. */
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
    } catch (error) {
      if (!KvError.isInstance(error) || error.code !== 'KV_ABORTED') throw error
      stderr.write('\n(cancelled)')
    } finally {
      giveBack()
    }
    stdout.write('\n')
  }

  /** The context that has heard the message: the first one makes it, later ones are added. */
  private async hear(content: string, signal: AbortSignal): Promise<Context> {
    const user = { role: 'user', content } as const
    if (this.context) {
      await this.context.append([user], { signal })
      return this.context
    }
    const system =
      this.flags.system === undefined ? [] : [{ role: 'system', content: this.flags.system } as const]
    this.context = await this.model.prefill([...system, user], {
      compression: this.spec,
      signal,
      onWarning: ({ message }) => {
        this.io.stderr.write(`note: ${message}\n`)
      },
    })
    return this.context
  }
}
