import { loadModel, type LoadProgress, type Model, type ModelPrecision, type WeightsMode } from '@qpkv/core'
import { modelFolder } from '@qpkv/reference-model'
import { formatBytes } from '@qpkv/spec'
import type { Command } from 'commander'
import type { Io } from '../io.ts'
import { readRegistry } from '../registry.ts'
import { downloadText } from '../output/download-text.ts'
import { StatusLine } from '../output/status-line.ts'
import { openDevice } from './device.ts'
import { wholeNumber } from './numbers.ts'

export interface ModelFlags {
  readonly model: string
  readonly device?: string
  readonly threads?: number
  readonly table?: string
  readonly precision?: ModelPrecision
  readonly weights?: WeightsMode
  /** Packages with methods; see --use. */
  readonly use?: readonly string[]
}

/** Adds --model, --device, --threads, --table, --precision and --weights. */
export const addModelOptions = (command: Command): Command =>
  command
    .option(
      '--model <MODEL>',
      'reference (the bundled model), a Hugging Face folder, a .gguf file, or org/name[@revision] from the hub',
      'reference',
    )
    .option('--device <device>', 'cpu (default), cuda:N, or auto: a GPU where @qpkv/cuda finds one')
    .option('--threads <N>', 'threads (default: all)', wholeNumber(1))
    .option('--table <NAME>', 'op table, such as avx2 (default: the fastest here)')
    .option(
      '--precision <mode>',
      'bf16, bf16-fast (activations in bf16, too, or in bytes beside 8- and 4-bit weights) or f32 (for checks)',
    )
    .option('--weights <mode>', 'auto (default) and stored lose nothing; int8 and int4 round the matrices')

/** Loads the model that the flags name. memoryLimit: bytes for weights and caches, see loadModel(). */
export async function openModel(flags: ModelFlags, io: Io, memoryLimit?: number): Promise<Model> {
  const methods = await readRegistry(flags.use)
  const status = new StatusLine(io.stderr)
  try {
    return await loadModel(flags.model === 'reference' ? modelFolder : flags.model, {
      methods,
      device: await openDevice(flags.device),
      ...(flags.threads !== undefined && { threads: flags.threads }),
      ...(flags.table !== undefined && { table: flags.table }),
      ...(flags.precision !== undefined && { precision: flags.precision }),
      ...(flags.weights !== undefined && { weights: flags.weights }),
      ...(memoryLimit !== undefined && { memoryLimit }),
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
