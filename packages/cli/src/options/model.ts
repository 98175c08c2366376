import { loadModel, type LoadProgress, type Model, type ModelPrecision, type WeightsMode } from '@qpkv/core'
import { modelFolder } from '@qpkv/reference-model'
import { formatBytes, omitUndefined } from '@qpkv/spec'
import type { Command } from 'commander'
import type { Io } from '../io.ts'
import { readRegistry } from '../registry.ts'
import { downloadText } from '../output/download-text.ts'
import { StatusLine } from '../output/status-line.ts'
import { openDevice } from './device.ts'
import { wholeNumber } from './numbers.ts'

/** How a model is loaded. */
export interface EngineFlags {
  readonly device?: string
  readonly threads?: number
  readonly table?: string
  readonly precision?: ModelPrecision
  readonly weights?: WeightsMode
  /** Packages with methods and benchmarks. */
  readonly use?: readonly string[]
}

export interface ModelFlags extends EngineFlags {
  readonly model: string
}

const MODELS =
  'reference (the bundled model), a Hugging Face folder, a .gguf file, or org/name[@revision] from the hub'

/** Adds --use, for commands that name methods. */
export const addUseOption = (command: Command): Command =>
  command.option('--use <PACKAGE...>', 'import methods and benchmarks from installed packages')

/** Adds --device, --threads, --table, --precision, --weights and --use. */
export const addEngineOptions = (command: Command, precision?: ModelPrecision): Command =>
  addUseOption(command)
    .option('--device <device>', 'cpu (default), cuda:N, or auto: a GPU where @qpkv/cuda finds one')
    .option('--threads <N>', 'threads (default: all)', wholeNumber(1))
    .option('--table <NAME>', 'op table, such as avx2 (default: the fastest here)')
    .option(
      '--precision <mode>',
      'bf16, bf16-fast (activations in bf16, too, or in bytes beside 8- and 4-bit weights) or f32 (for checks)',
      precision,
    )
    .option('--weights <mode>', 'auto (default) and stored lose nothing; int8 and int4 round the matrices')

/** Adds --model and what `addEngineOptions` adds. */
export const addModelOptions = (command: Command): Command =>
  addEngineOptions(command.option('--model <MODEL>', MODELS, 'reference'))

/** Adds the argument [MODEL]. */
export const addModelArgument = (command: Command): Command =>
  command.argument('[MODEL]', MODELS, 'reference')

/** Where a model lies that is named like this. */
export const modelPath = (name: string): string => (name === 'reference' ? modelFolder : name)

/** Loads the model that the flags name. memoryLimit: bytes for weights and caches, see loadModel(). */
export async function openModel(flags: ModelFlags, io: Io, memoryLimit?: number): Promise<Model> {
  const { threads, table, precision, weights } = flags
  const methods = await readRegistry(flags.use)
  const status = new StatusLine(io.stderr)
  try {
    return await loadModel(modelPath(flags.model), {
      methods,
      device: await openDevice(flags.device),
      ...omitUndefined({ threads, table, precision, weights, memoryLimit }),
      signal: io.signal,
      onProgress: (progress) => {
        if (progress.stage === 'plan') {
          status.clear()
          io.stderr.write(downloadText(progress.plan))
        }
        status.show(`loading ${flags.model}: ${progressText(progress)}`)
      },
    })
  } finally {
    status.clear()
  }
}

const progressText = (progress: LoadProgress): string =>
  progress.stage === 'download'
    ? `${progress.file} ${formatBytes(progress.bytes)} of ${formatBytes(progress.totalBytes)}`
    : progress.stage
