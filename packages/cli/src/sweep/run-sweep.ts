import { join } from 'node:path'
import { localExecutor, resultFileName } from '@qpkv/bench-kit'
import type { Benchmark, JobOutcome, PreparedRun, SweepJob } from '@qpkv/bench-kit'
import { findBenchmark } from '../bench/find-benchmark.ts'
import { openRun } from '../bench/open-run.ts'
import { refuseWrongSpecs } from '../bench/refuse-wrong-specs.ts'
import { measure } from '../bench/run-bench.ts'
import type { Io } from '../io.ts'
import type { ModelPool } from './model-pool.ts'

export interface SweepOptions {
  readonly jobs: readonly SweepJob[]
  readonly benchmarks: readonly Benchmark[]
  readonly pool: ModelPool
  /** Where result files go. */
  readonly folder: string
  /** Jobs at once. */
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

/**
 * Reads a job's options and samples and resolves its specs; writes nothing. Its result file is named by what is measured, so that later grids
 * add to it.
 */
export async function readyJob(job: SweepJob, options: SweepOptions): Promise<ReadyJob> {
  const { pool, folder, strict, benchmarks, io } = options
  const benchmark = findBenchmark(benchmarks, job.task.bench)
  const model = await pool.get(job.model)
  const run = await openRun(benchmark, job.task.options, { model, modelName: job.model, strict, io })
  refuseWrongSpecs(model, run, job.specs)
  return { job, run, path: join(folder, resultFileName(run.identity)) }
}

/** Runs every job that is not done yet, each into its own file, and goes on where an earlier sweep ended. */
export async function runSweep(
  ready: readonly ReadyJob[],
  options: SweepOptions,
): Promise<readonly JobOutcome[]> {
  const { pool, workers, strict, io } = options
  const byId = new Map(ready.map((one) => [one.job.id, one]))
  // Jobs that differ in the number of samples share a file: one after the other.
  const busy = new Map<string, Promise<void>>()
  // Workers that no job needs ask further samples of those that run.
  const each = Math.max(1, Math.floor(workers / byId.size))
  const executor = localExecutor({
    workers,
    onError: strict ? 'stop' : 'continue',
    work: async (job, signal) => {
      const one = byId.get(job.id)
      if (!one) return
      const { run, path } = one
      const work = async () => {
        const flags = { out: path, workers: each, strict }
        await measure(run, job.specs, await pool.get(job.model), flags, { ...io, signal }, labelOf(job))
      }
      const mine = (busy.get(path) ?? Promise.resolve()).catch(() => undefined).then(work)
      busy.set(path, mine)
      await mine.catch((error: unknown) => {
        io.stderr.write(`${labelOf(job)} failed: ${(error as Error).message}\n`)
        throw error
      })
    },
  })
  return executor.run(
    ready.map(({ job }) => job),
    { signal: io.signal },
  )
}

/** `reference needle query-agnostic`, `reference needle plain query-aware` */
export const labelOf = ({ model, task }: SweepJob): string => {
  const { protocol, form } = task.options
  return [model, task.bench, form, protocol ?? 'query-aware']
    .filter((part) => typeof part === 'string')
    .join(' ')
}
