import { readText } from '@qpkv/bench-kit'
import {
  checkSpec,
  KvError,
  loadSpec,
  parseBudgetText,
  parseMethodText,
  parsePruneText,
  parseSpec,
  type CompressionSpec,
} from '@qpkv/spec'
import type { Command } from 'commander'
import { onlyOnce } from './only-once.ts'
import { UsageError } from '../usage-error.ts'

export interface CompressionFlags {
  readonly prune?: string
  readonly quantize?: string
  readonly budget?: string
  readonly spec?: string
  readonly use?: readonly string[]
}

/** Adds --prune, --quantize, --budget, --spec and --use. */
export const addCompressionOptions = (command: Command): Command =>
  command
    .option(
      '--prune <METHOD>',
      'which tokens to keep, such as snapkv:window=16 or keydiff~pyramid~ada',
      onlyOnce,
    )
    .option('--quantize <METHOD>', 'how to store them, such as kivi:bits=4,group=32,recent=8', onlyOnce)
    .option(
      '--budget <SIZE>',
      '128t entries | 64x16 of 16 bit | 25% of the prompt | 128KiB real bytes | 2%B of the full cache',
      onlyOnce,
    )
    .option(
      '--spec <FILE|TEXT>',
      'all of it: a JSON file, or a text such as snapkv+kivi:bits=4@128KiB',
      onlyOnce,
    )
    .option('--use <PACKAGE...>', 'import methods and benchmarks from installed packages')

/** The spec that the flags ask for; nothing given is an uncompressed cache. */
export async function readCompression(flags: CompressionFlags): Promise<CompressionSpec> {
  const { prune, quantize, budget, spec } = flags
  if (spec !== undefined) {
    if (prune !== undefined || quantize !== undefined || budget !== undefined)
      throw new UsageError(
        'Expected either --spec or --prune, --quantize and --budget, but both came.',
        'Leave one out.',
      )
    return readSpec(spec)
  }
  return checkSpec({
    ...(prune !== undefined && parsePruneText(prune)),
    ...(quantize !== undefined && { quantize: parseMethodText(quantize) }),
    ...(budget !== undefined && { budget: parseBudgetText(budget) }),
  })
}

async function readSpec(given: string): Promise<CompressionSpec> {
  if (given.trimStart().startsWith('{')) return loadSpec(given)
  const file = await readText(given).catch((cause: unknown) => {
    if (KvError.isInstance(cause)) throw cause
    return undefined
  })
  if (file !== undefined) return loadSpec(specOf(file))
  if (given.endsWith('.json')) throw new UsageError(`There is no spec file ${given}.`, 'Check the path.')
  return parseSpec(given)
}

/** A spec file, or anything that holds one under `spec`, such as what --json wrote. */
function specOf(text: string): unknown {
  try {
    const value = JSON.parse(text) as { spec?: unknown } | null
    return typeof value === 'object' && value?.spec !== undefined ? value.spec : text
  } catch {
    return text
  }
}
