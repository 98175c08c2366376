import { existsSync } from 'node:fs'
import { join } from 'node:path'
import {
  contentHash,
  expandGrid,
  formatDuration,
  readOptions,
  readResults,
  type Benchmark,
} from '@qpkv/bench-kit'
import { KvError, type Json, type JsonObject } from '@qpkv/spec'
import { Option, type Command } from 'commander'
import { addBenchFlags, givenOptions } from '../bench/bench-flags.ts'
import { missingText } from '../bench/failures.ts'
import type { Io } from '../io.ts'
import { addModelOptions, openModel, type ModelFlags } from '../options/model.ts'
import { wholeNumber } from '../options/numbers.ts'
import { addExportOptions, exportResults, type ExportFlags } from '../output/export-results.ts'
import { jsonText, put } from '../output/put.ts'
import { costText, hours } from '../sweep/estimate-cost.ts'
import { DEFAULT_QUEUE } from '../jobs/bullmq.ts'
import { runElsewhere } from '../jobs/run-elsewhere.ts'
import { ModelPool } from '../sweep/model-pool.ts'
import { paperGrid, paperGrids, refuseUnused } from '../sweep/paper/grids.ts'
import { paperOptions } from '../sweep/paper/options.ts'
import { readGrid, type NamedGrid } from '../sweep/read-grid.ts'
import { labelOf, readyJob, runSweep, type JobOptions, type ReadyJob } from '../sweep/run-sweep.ts'
import {
  addPictureOptions,
  summaryJson,
  writeReport,
  type PictureFlags,
} from '../sweep/write-sweep-report.ts'

interface SweepFlags extends ModelFlags, ExportFlags, PictureFlags {
  readonly out?: string
  readonly workers: number
  readonly copies: number
  readonly dryRun?: boolean
  readonly strict?: boolean
  readonly executor: 'local' | 'slurm' | 'bullmq'
  readonly shards: number
  readonly sbatch?: readonly string[]
  readonly redis?: string
  readonly queue: string
  readonly chunk: number
}

/** `qpkv sweep`: models x tasks x specs, resumable, with a report. */
export function addSweep(program: Command, io: Io, benchmarks: readonly Benchmark[]): void {
  const command = program
    .command('sweep')
    .description('run a grid of models x tasks x specs; run it again to go on where it ended')
    .argument('<GRID>', `a grid file, or an experiment of the paper: ${Object.keys(paperGrids).join(' | ')}`)
    .option('--out <DIR>', 'where results, pictures and the report go (default: sweep-…)')
    .option(
      '--workers <N>',
      'jobs at once, a job being one model and task with all specs; with fewer jobs, samples of one',
      wholeNumber(1),
      1,
    )
    .option('--copies <N>', 'load every model so many times and let jobs take turns', wholeNumber(1), 1)
    .addOption(
      new Option(
        '--executor <WHERE>',
        'this machine, a Slurm array, or workers of a Redis queue (docs/clusters.md)',
      )
        .choices(['local', 'slurm', 'bullmq'])
        .default('local'),
    )
    .option('--shards <N>', 'slurm: tasks of the array', wholeNumber(1), 8)
    .option('--sbatch <OPTION...>', 'slurm: options for sbatch, such as --sbatch=--partition=cpu')
    .option('--redis <URL>', 'bullmq: the server, such as redis://127.0.0.1:6379')
    .option('--queue <NAME>', 'bullmq: which queue', DEFAULT_QUEUE)
    .option('--chunk <N>', 'bullmq: samples of a part', wholeNumber(1), 1)
    .option('--dry-run', 'check everything, write jobs.json, say what it would cost, and stop')
    .option('--strict', 'the first failing job ends the sweep')
  addBenchFlags(command, { options: paperOptions })
  addPictureOptions(addExportOptions(addModelOptions(command))).action(
    async (grid: string, flags: SweepFlags) => {
      await sweep(grid, flags, givenOptions(command, { options: paperOptions }), benchmarks, io)
    },
  )
}

async function sweep(
  name: string,
  flags: SweepFlags,
  given: JsonObject,
  benchmarks: readonly Benchmark[],
  io: Io,
): Promise<void> {
  await using pool = new ModelPool((model) => openModel({ ...flags, model }, io), flags.copies)
  const named = await gridOf(name, flags, given, pool)
  const jobs = expandGrid(named.grid)
  const folder = flags.out ?? `sweep-${contentHash(jobs as unknown as Json)}`
  const { workers, strict = false } = flags
  const options: JobOptions = { benchmarks, pool, folder, workers, strict, io }
  const ready: ReadyJob[] = []
  for (const job of jobs) ready.push(await readyJob(job, options))
  await put(join(folder, 'jobs.json'), jsonText(jobs))
  await printCost(ready, pool, io)
  if (flags.dryRun === true) return
  const started = performance.now()
  const failures = flags.executor === 'local' ? await runSweep(ready, options) : []
  if (flags.executor !== 'local') await runElsewhere(ready, folder, flags, pool, io)
  io.stderr.write(`swept in ${formatDuration(performance.now() - started)}\n`)
  await report(ready, folder, named, flags, io)
  if (failures.length > 0)
    throw new KvError('KV_DATA', `${failures.length} of ${jobs.length} jobs failed: ${failures[0] ?? ''}`, {
      hint: 'What is done is saved; run the same command again to go on.',
    })
}

async function gridOf(
  name: string,
  flags: SweepFlags,
  given: JsonObject,
  pool: ModelPool,
): Promise<NamedGrid> {
  const paper = paperGrids[name]
  refuseUnused(name, paper, Object.keys(given))
  if (paper === undefined) return readGrid(name)
  const options = { ...readOptions(paperOptions, given, name), model: flags.model }
  return paperGrid(paper, options, await pool.get(options.models?.[0] ?? flags.model))
}

/** Says what the sweep takes at most before it begins. */
async function printCost(ready: readonly ReadyJob[], pool: ModelPool, io: Io): Promise<void> {
  let total = 0
  for (const { job, run } of ready) {
    const { text, milliseconds } = await costText(await pool.get(job.model), run, job.specs)
    total += milliseconds
    io.stderr.write(`${labelOf(job)}: ${text}\n`)
  }
  io.stderr.write(`in all at most ${hours(total)} on this machine, from a probe of 512 tokens\n`)
}

async function report(
  ready: readonly ReadyJob[],
  folder: string,
  { title, notes }: NamedGrid,
  flags: SweepFlags,
  io: Io,
): Promise<void> {
  // A job that failed before its first sample has no file.
  const paths = [...new Set(ready.map(({ path }) => path))].filter((path) => existsSync(path))
  const results = await Promise.all(paths.map((path) => readResults(path)))
  for (const { job, run, path } of ready) {
    const file = results.find((one) => one.path === path)
    const missing = file && missingText(file, job.specs)
    if (missing !== undefined) io.stderr.write(`${labelOf(job)}: ${missing}\n`)
    io.stdout.write(`\n${labelOf(job)}\n\n${run.table(file?.records ?? [], job.specs)}`)
  }
  const { png, pdf } = flags
  const written = await writeReport(results, { folder, title, notes, png, pdf })
  const summary = join(folder, 'summary.json')
  await put(summary, summaryJson(results))
  await exportResults(results, flags)
  io.stdout.write(`\nWritten: ${written.page}, ${summary} and ${written.pictures.length} pictures\n`)
}
