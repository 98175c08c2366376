import type { Benchmark } from '@qpkv/bench-kit'
import type { Command } from 'commander'
import { addBenchFlags, givenOptions } from '../bench/bench-flags.ts'
import { refuseFailures } from '../bench/failures.ts'
import { openRun } from '../bench/open-run.ts'
import { measure } from '../bench/run-bench.ts'
import { refuseWrongSpecs } from '../bench/refuse-wrong-specs.ts'
import type { Io } from '../io.ts'
import { addBenchOptions, readRows, type BenchFlags } from '../options/bench.ts'
import { addCompressionOptions } from '../options/compression.ts'
import { addModelOptions, openModel, type ModelFlags } from '../options/model.ts'
import { costText } from '../sweep/estimate-cost.ts'
import { UsageError } from '../usage-error.ts'

interface Flags extends ModelFlags, BenchFlags {
  readonly dryRun?: boolean
  readonly predictions?: string
  readonly layout?: string
}

/** `qpkv bench …`: measurements, one subcommand per benchmark, all generated from their values. */
export function addBench(program: Command, io: Io, benchmarks: readonly Benchmark[]): void {
  const bench = program.command('bench').description('measure what a spec keeps and costs')
  for (const benchmark of benchmarks) addBenchmark(bench, benchmark, io)
}

function addBenchmark(bench: Command, benchmark: Benchmark, io: Io): void {
  const { name, about, predictions } = benchmark
  const command = addBenchFlags(bench.command(name).description(about), benchmark)
  if (predictions) {
    command.option('--predictions <DIR>', "write predictions in an original's layout, too")
    if (predictions.layouts.length > 1)
      command.option('--layout <NAME>', `of --predictions: ${predictions.layouts.join(', ')}`)
  }
  addBenchOptions(addCompressionOptions(addModelOptions(command))).action(async (flags: Flags) => {
    const { specs, recipe } = await readRows(flags)
    await using model = await openModel(flags, io)
    const opened = { model, modelName: flags.model, strict: flags.strict === true, io, recipe }
    const run = await openRun(benchmark, givenOptions(command, benchmark), opened)
    if (flags.dryRun === true) {
      refuseWrongSpecs(model, run, specs)
      io.stderr.write(`${name}: ${(await costText(model, run, specs)).text}\n`)
      return
    }
    const { predictions: folder, layout } = flags
    if (folder !== undefined && run.writePredictions({ folder, layout }, [], []) === undefined)
      throw new UsageError(
        'These options have no predictions to write.',
        'needle: add --form plain, or --from, --to and --step.',
      )
    const { results, records } = await measure(run, specs, model, flags, io)
    io.stdout.write(run.table(records, specs))
    if (folder !== undefined) {
      const files = (await run.writePredictions({ folder, layout }, records, specs)) ?? []
      io.stderr.write(`predictions: ${files.length} files below ${folder}\n`)
    }
    refuseFailures(results, specs)
  })
}
