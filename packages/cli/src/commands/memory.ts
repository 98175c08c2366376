import { availableMemory, estimateModel, type MemoryEstimate } from '@qpkv/core'
import { formatBytes, omitUndefined, printSpec } from '@qpkv/spec'
import type { Command } from 'commander'
import type { Io } from '../io.ts'
import {
  addCompressionOptions,
  inputOf,
  readCompression,
  type CompressionFlags,
} from '../options/compression.ts'
import { addModelArgument, addUseOption, modelPath, type EngineFlags } from '../options/model.ts'
import { wholeNumber } from '../options/numbers.ts'
import { jsonText } from '../output/put.ts'
import { readRegistry } from '../registry.ts'

interface MemoryFlags extends EngineFlags, CompressionFlags {
  readonly tokens?: number
  readonly json?: boolean
}

/** `qpkv memory MODEL`: what a model will take, from its headers alone. */
export function addMemory(program: Command, io: Io): void {
  const command = addModelArgument(program.command('memory'))
    .description(
      'what a model takes in memory, from its headers alone: nothing is loaded, weights are not fetched',
    )
    .option('--tokens <N>', 'of the prompt (default: 2048, or what the model was made for)', wholeNumber(1))
    .option('--weights <mode>', 'auto (as the file has them), stored, int8 or int4')
    .option('--precision <mode>', 'bf16, bf16-fast or f32')
    .option('--threads <N>', 'threads (default: all)', wholeNumber(1))
    .option('--json', 'as JSON')
  addUseOption(addCompressionOptions(command)).action(async (name: string, flags: MemoryFlags) => {
    const compression = await readCompression(flags)
    const { spec } = compression
    const { tokens, weights, precision, threads } = flags
    const estimate = await estimateModel(modelPath(name), {
      specs: [inputOf(compression)],
      methods: await readRegistry(flags.use),
      ...omitUndefined({ tokens, weights, precision, threads }),
      signal: io.signal,
    })
    io.stdout.write(
      flags.json === true
        ? jsonText({ model: name, spec: printSpec(spec), ...estimate })
        : estimateText(estimate, printSpec(spec)),
    )
  })
}

function estimateText(estimate: MemoryEstimate, spec: string): string {
  const formats = Object.entries(estimate.formats).map(([name, bytes]) => `${name} ${formatBytes(bytes)}`)
  const free = availableMemory()
  const needed = estimate.peak - estimate.process
  const lines = [
    ['weights', `${formatBytes(estimate.weights)} (${formats.join(', ')})`],
    ['loading', `${formatBytes(estimate.loading)} beside them, while they are packed`],
    ['text', `${formatBytes(estimate.text)} for the tokenizer and the engine itself`],
    [
      'prefill',
      `${formatBytes(estimate.prefill)} while a prompt of ${estimate.tokens} tokens is read${estimate.promptPasses[0] === 2 ? ' (twice: the allocator measures first)' : ''}`,
    ],
    ['cache', `${formatBytes(estimate.caches[0] ?? 0)} under ${spec}`],
    ['process', `${formatBytes(estimate.process)} for Node itself`],
    ['peak', `${formatBytes(estimate.peak)} at most`],
    ['free', `${formatBytes(free)} now${needed > free ? ': too little' : ''}`],
  ]
  return lines.map(([name, text]) => `${(name ?? '').padEnd(8)} ${text}\n`).join('')
}
