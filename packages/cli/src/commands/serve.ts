import { serve } from '@qpkv/server'
import { budgetBytes, omitUndefined, parseSpec, printSpec } from '@qpkv/spec'
import type { Command } from 'commander'
import type { Io } from '../io.ts'
import {
  addCanaryOption,
  addCompressionOptions,
  inputOf,
  readCompression,
  type CompressionFlags,
} from '../options/compression.ts'
import { addModelOptions, openModel, type ModelFlags } from '../options/model.ts'
import { wholeNumber } from '../options/numbers.ts'
import { UsageError } from '../usage-error.ts'

interface ServeFlags extends ModelFlags, CompressionFlags {
  readonly port: number
  readonly host: string
  readonly name?: string
  readonly apiKey?: string
  readonly cors?: readonly string[]
  readonly concurrent: number
  readonly queue: number
  readonly maxTokens: number
  readonly maxPromptTokens?: number
  readonly timeout: number
  readonly keepPrefixes?: string
  readonly prefixCache?: string
  readonly prefixCacheBytes?: string
  readonly memory?: string
  readonly whenFull?: string
}

/** `qpkv serve`: a model behind HTTP in OpenAI's format. */
export function addServe(program: Command, io: Io): void {
  const command = program
    .command('serve')
    .description("serve a model over HTTP in OpenAI's format; Ctrl-C waits for what is at work")
    .option('--port <N>', 'port; 0 takes a free one', wholeNumber(0), 8080)
    .option('--host <NAME>', 'address to listen on; others than this machine need --api-key', '127.0.0.1')
    .option('--name <NAME>', 'the model as clients ask for it (default: what --model says)')
    .option('--api-key <KEY>', 'what clients have to send (default: the variable QPKV_API_KEY, else nothing)')
    .option('--cors <ORIGIN...>', 'origins whose pages may ask')
    .option('--concurrent <N>', 'requests at work at once', wholeNumber(1), 16)
    .option('--queue <N>', 'requests that may wait; further ones get 429', wholeNumber(0), 64)
    .option('--max-tokens <N>', 'tokens of a reply at most', wholeNumber(1), 2048)
    .option(
      '--max-prompt-tokens <N>',
      "tokens of a prompt at most (default: the model's context)",
      wholeNumber(1),
    )
    .option('--timeout <SECONDS>', 'what a request may take, queue included', wholeNumber(1), 600)
    .option(
      '--keep-prefixes <SIZE>',
      'bytes of caches kept for prompts that begin like earlier ones, such as 1GiB (default: none)',
    )
    .option(
      '--prefix-cache <DIR>',
      'a folder for caches beyond these, and for all of them at the end: the next server goes on from them',
    )
    .option('--prefix-cache-bytes <SIZE>', 'bytes of that folder (default: 8GiB)')
    .option('--memory <SIZE>', 'what weights and caches may take together (default: what this machine has)')
    .option(
      '--when-full <SPEC>',
      'how idle contexts are compressed in place when a request finds no memory, such as l2norm+kivi:bits=4@25% (default: requests wait)',
    )
  addCanaryOption(addCompressionOptions(addModelOptions(command))).action(async (flags: ServeFlags) => {
    await runServer(flags, io)
  })
}

async function runServer(flags: ServeFlags, io: Io): Promise<void> {
  const { model: name, prefixCache: prefixFolder, maxPromptTokens, cors: corsOrigins } = flags
  const compression = await readCompression(flags)
  const apiKey = flags.apiKey ?? process.env['QPKV_API_KEY']
  if (!/^(localhost|127\.\d+\.\d+\.\d+|::1)$/.test(flags.host) && !apiKey)
    throw new UsageError(
      `--host ${flags.host} can be reached from other machines, and no API key is set.`,
      'Add --api-key KEY.',
    )
  const prefixBytes = readBytes('--keep-prefixes', flags.keepPrefixes)
  const prefixFileBytes = readBytes('--prefix-cache-bytes', flags.prefixCacheBytes)
  const memoryLimit = readBytes('--memory', flags.memory)
  const whenFull = flags.whenFull === undefined ? undefined : parseSpec(flags.whenFull)
  await using model = await openModel(flags, io, memoryLimit)
  const server = await serve({
    model,
    modelName: flags.name ?? name,
    compression: inputOf(compression),
    host: flags.host,
    port: flags.port,
    concurrent: flags.concurrent,
    queue: flags.queue,
    maxTokens: flags.maxTokens,
    timeoutMs: flags.timeout * 1000,
    ...omitUndefined({ prefixBytes, prefixFolder, prefixFileBytes, whenFull, maxPromptTokens }),
    ...omitUndefined({ apiKey: apiKey || undefined, corsOrigins }),
  })
  io.stdout.write(`${server.url}/v1 serves ${flags.name ?? name}, ${printSpec(compression.spec)}\n`)
  await new Promise<void>((resolve) => {
    const end = () => {
      resolve()
    }
    if (io.signal.aborted) end()
    io.signal.addEventListener('abort', end, { once: true })
    process.once('SIGTERM', end)
  })
  io.stderr.write('stopping; requests at work are waited for\n')
  await server.stop()
}

function readBytes(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const bytes = budgetBytes(text)
  if (Number.isFinite(bytes)) return bytes
  throw new UsageError(`${flag} expects bytes, such as 512MiB, but received ${text}.`)
}
