import type { NamedSpec } from '@qpkv/bench-kit'
import { printSpec, type CompressionSpec, type Recipe } from '@qpkv/spec'
import { Option, type Command } from 'commander'
import type { RunFlags } from '../bench/run-bench.ts'
import { addExportOptions } from '../output/export-results.ts'
import { readCompression, type CompressionFlags } from './compression.ts'
import { wholeNumber } from './numbers.ts'
import { readSpecs } from './read-specs.ts'

export interface BenchFlags extends CompressionFlags, RunFlags {
  readonly specs?: string
}

/** Adds --workers and --strict: how a run goes about its samples. */
export const addRunOptions = (command: Command): Command =>
  command
    .option('--workers <N>', 'samples at once', wholeNumber(1), 1)
    .option('--strict', 'the first bad row or failing sample ends the run')

/** Adds what every benchmark has: where results go and how the run meets trouble. */
export const addBenchOptions = (command: Command): Command =>
  addExportOptions(
    addRunOptions(
      command
        .option('--specs <FILE>', 'several specs at once, one text form a line; one prefill serves them all')
        .option('--out <FILE>', 'result file, JSON lines (default: results/BENCH-….jsonl)')
        .option('--replace', 'begin the result file again; what it held is gone (default: go on with it)')
        .option('--dry-run', 'check everything, say what it would cost, and stop')
        .addOption(new Option('--resume', 'what happens anyway').hideHelp()),
    ),
  )

/** Specs to measure; from a recipe it is one. */
export interface AskedRows {
  readonly specs: readonly NamedSpec[]
  readonly recipe?: Recipe
}

/** The rows that the flags ask for; nothing given is an uncompressed cache. */
export async function readRows(flags: BenchFlags): Promise<AskedRows> {
  const named = (spec: CompressionSpec): NamedSpec => ({ label: printSpec(spec), spec })
  if (flags.specs === undefined) {
    const { spec, ...rest } = await readCompression(flags)
    return { specs: [named(spec)], ...rest }
  }
  return { specs: (await readSpecs(flags.specs)).map(named) }
}
