import { join } from 'node:path'
import { resultFileName, runParallel } from '@qpkv/bench-kit'
import type { Benchmark, PreparedRun, SweepJob } from '@qpkv/bench-kit'
import type { Model } from '@qpkv/core'
import { findBenchmark } from '../bench/find-benchmark.ts'
import { openRun } from '../bench/open-run.ts'
import { refuseWrongSpecs } from '../bench/refuse-wrong-specs.ts'
import { measure } from '../bench/run-bench.ts'
import type { Io } from '../io.ts'
import type { ModelPool } from './model-pool.ts'

/** What running jobs needs. */
export interface JobOptions {
  readonly benchmarks: readonly Benchmark[]
  readonly pool: ModelPool
  /** Where result files go. */
  readonly folder: string
  /** Jobs at once; of a shard: samples at once. */
  readonly workers: number
  readonly strict: boolean
  readonly io: Io
}

/** A job with its samples. */
export interface ReadyJob {
  readonly job: SweepJob
  readonly run: PreparedRun
  readonly path: string
}

/** Reads a job's options and samples. */
export async function openJob(
  job: SweepJob,
  { pool, strict, benchmarks, io }: JobOptions,
): Promise<{ readonly model: Model; readonly run: PreparedRun }> {
  const model = await pool.get(job.model)
  const benchmark = findBenchmark(benchmarks, job.task.bench)
  const run = await openRun(benchmark, job.task.options, { model, modelName: job.model, strict, io })
  return { model, run }
}

/**
 * Reads a job's options and samples and resolves its specs; writes nothing. Its result file is named by what is measured, so that later grids
 * add to it.
 */
export async function readyJob(job: SweepJob, options: JobOptions): Promise<ReadyJob> {
  const { model, run } = await openJob(job, options)
  refuseWrongSpecs(model, run, job.specs)
  return { job, run, path: join(options.folder, resultFileName(run.identity)) }
}

/**
 * Runs every job that is not done yet, each into its own file, and goes on where an earlier sweep ended.
 * @returns why jobs failed; with `strict` the first failure is thrown
 */
export async function runSweep(
  ready: readonly ReadyJob[],
  { pool, workers, strict, io }: Pick<JobOptions, 'pool' | 'workers' | 'strict' | 'io'>,
): Promise<readonly string[]> {
  const jobs = [...new Map(ready.map((one) => [one.job.id, one])).values()]
  const failures: string[] = []
  // Jobs that differ in the number of samples share a file: one after the other.
  const busy = new Map<string, Promise<void>>()
  // Workers that no job needs ask further samples of those that run.
  const each = Math.max(1, Math.floor(workers / jobs.length))
  await runParallel(jobs, workers, io.signal, async ({ job, run, path }, signal) => {
    const work = async () => {
      const flags = { out: path, workers: each, strict }
      await measure(run, job.specs, await pool.get(job.model), flags, { ...io, signal }, labelOf(job))
    }
    const mine = (busy.get(path) ?? Promise.resolve()).catch(() => undefined).then(work)
    busy.set(path, mine)
    try {
      await mine
    } catch (error) {
      const { message } = error as Error
      io.stderr.write(`${labelOf(job)} failed: ${message}\n`)
      if (strict || signal.aborted) throw error
      failures.push(message)
    }
  })
  return failures
}

/** `reference needle query-agnostic`, `reference needle plain query-aware` */
export const labelOf = ({ model, task }: SweepJob): string => {
  const { protocol, form } = task.options
  return [model, task.bench, form, protocol ?? 'query-aware']
    .filter((part) => typeof part === 'string')
    .join(' ')
}
