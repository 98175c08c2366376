import { buffer } from 'node:stream/consumers'
import { decodeText } from '@qpkv/bench-kit'
import type { CompressionInput, Context, GenerateOptions, Model, Prompt, RunResult } from '@qpkv/core'
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
import { addPromptOptions, promptOptions, type PromptFlags } from '../options/prompt.ts'
import { readGiven } from '../options/read-given.ts'
import { addSamplingOptions, samplingOptions, type SamplingFlags } from '../options/sampling.ts'
import { jsonText, put } from '../output/put.ts'
import { reportText } from '../output/report-text.ts'
import { StatusLine } from '../output/status-line.ts'
import { UsageError } from '../usage-error.ts'

interface GenerateFlags extends ModelFlags, CompressionFlags, SamplingFlags, PromptFlags {
  readonly prompt?: string
  readonly promptFile?: string
  readonly chat?: boolean
  readonly report?: boolean
  readonly json?: string
}

/** `qpkv generate`: one prompt, one reply on stdout. */
export function addGenerate(program: Command, io: Io): void {
  const command = program
    .command('generate')
    .description('answer one prompt from a compressed cache; the reply streams to stdout')
    .argument('[-]', 'read the prompt from stdin')
    .option('--prompt <TEXT>', 'the prompt')
    .option('--prompt-file <FILE>', 'read the prompt from a file')
    .option('--chat', "put the prompt into the model's chat template")
    .option('--max-tokens <N>', 'tokens at most', wholeNumber(1), 256)
    .option('--stop <TEXT...>', 'texts that end the reply')
    .option('--report', 'print tokens kept, bytes and timings to stderr')
    .option('--json <FILE>', 'write reply and report as JSON')
  addSamplingOptions(
    addCanaryOption(addCompressionOptions(addPromptOptions(addModelOptions(command)))),
  ).action(async (dash: string | undefined, flags: GenerateFlags) => {
    await generate(await readPrompt(dash, flags, io), flags, io)
  })
}

async function readPrompt(dash: string | undefined, flags: GenerateFlags, io: Io): Promise<string> {
  const given = [flags.prompt, flags.promptFile, dash].filter((value) => value !== undefined)
  if (given.length !== 1 || (dash !== undefined && dash !== '-'))
    throw new UsageError(
      'Expected exactly one of --prompt TEXT, --prompt-file FILE or - (stdin).',
      'For example: qpkv generate --prompt "Hello".',
    )
  if (flags.prompt !== undefined) return flags.prompt
  if (flags.promptFile === undefined) return decodeText(await buffer(io.stdin), 'stdin')
  return readGiven(flags.promptFile, '--prompt-file')
}

async function generate(text: string, flags: GenerateFlags, io: Io): Promise<void> {
  const compression = inputOf(await readCompression(flags))
  await using model = await openModel(flags, io)
  const prompt: Prompt = flags.chat === true ? [{ role: 'user', content: text }] : text
  await using context = await prefill(model, prompt, compression, flags, io)
  const result = await stream(context, samplingOptions(flags), io)
  if (flags.report === true) io.stderr.write(reportText(context.report))
  if (flags.json !== undefined) {
    const { spec, ...report } = context.report
    await put(flags.json, jsonText({ spec, result, report }))
  }
}

async function prefill(
  model: Model,
  prompt: Prompt,
  compression: CompressionInput,
  flags: GenerateFlags,
  io: Io,
): Promise<Context> {
  const status = new StatusLine(io.stderr)
  const { allowLongPrompt: _, ...reading } = promptOptions(flags)
  const { ids } = await model.tokenize(prompt, reading)
  try {
    return await model.prefill(prompt, {
      compression,
      expectTokens: ids.length + (flags.maxTokens ?? 0),
      signal: io.signal,
      ...promptOptions(flags),
      onWarning: ({ message }) => {
        status.clear()
        io.stderr.write(`note: ${message}\n`)
      },
      onProgress: ({ layer, layers, tokens }) => {
        status.show(`reading ${tokens} tokens: layer ${layer} of ${layers}`)
      },
    })
  } finally {
    status.clear()
  }
}

/** Writes pieces as they come, and a line end when the reply has none. */
async function stream(context: Context, options: GenerateOptions, io: Io): Promise<RunResult> {
  const run = context.generate({ ...options, signal: io.signal })
  for await (const { text } of run) io.stdout.write(text)
  const result = await run.result
  if (!result.text.endsWith('\n')) io.stdout.write('\n')
  return result
}
