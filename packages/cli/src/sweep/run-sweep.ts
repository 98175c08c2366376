import { join } from 'node:path'
import {
  localExecutor,
  Progress,
  resultFileName,
  ResultWriter,
  type JobOutcome,
  type SweepJob,
} from '@qpkv/bench-kit'
import type { Model } from '@qpkv/core'
import { WORLD_FORM } from '../bench/prepare-needle.ts'
import { prepareBench } from '../bench/prepare-bench.ts'
import { sayProblems } from '../bench/problems.ts'
import type { PreparedBench } from '../bench/prepared-bench.ts'
import type { Io } from '../io.ts'
import { benchVersions } from '../output/bench-versions.ts'
import type { ModelPool } from './model-pool.ts'

export interface SweepOptions {
  readonly jobs: readonly SweepJob[]
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
  readonly bench: PreparedBench
  readonly path: string
}

/** Reads a job's options and samples; its result file is named by what is measured, so that later grids add to it. */
export async function readyJob(job: SweepJob, options: SweepOptions): Promise<ReadyJob> {
  const { pool, folder, strict, io } = options
  const model = await pool.get(job.model)
  const bench = await prepareBench(job.task.bench, job.task.options, { model, modelName: job.model, strict })
  sayProblems(bench.problems, io)
  return { job, bench, path: join(folder, resultFileName(bench.identity)) }
}

/** Runs every job that is not done yet, each into its own file, and goes on where an earlier sweep ended. */
export async function runSweep(
  ready: readonly ReadyJob[],
  options: SweepOptions,
): Promise<readonly JobOutcome[]> {
  const { pool, workers, strict, io } = options
  const byId = new Map(ready.map((one) => [one.job.id, one]))
  // Workers that no job needs ask further samples of those that run.
  const each = Math.max(1, Math.floor(workers / byId.size))
  const executor = localExecutor({
    workers,
    onError: strict ? 'stop' : 'continue',
    work: async (job, signal) => {
      const one = byId.get(job.id)
      if (!one) return
      try {
        await runJob(one, await pool.get(job.model), { signal, strict, io, workers: each })
      } catch (error) {
        io.stderr.write(`${labelOf(job)} failed: ${(error as Error).message}\n`)
        throw error
      }
    },
  })
  return executor.run(
    ready.map(({ job }) => job),
    { signal: io.signal },
  )
}

async function runJob(
  { job, bench, path }: ReadyJob,
  model: Model,
  { signal, strict, io, workers }: { signal: AbortSignal; strict: boolean; io: Io; workers: number },
): Promise<void> {
  const { identity } = bench
  const writer = ResultWriter.open({ path, identity, versions: benchVersions(model), mode: 'resume' })
  try {
    const progress = new Progress({ total: bench.samples, label: labelOf(job), stream: io.stderr })
    await bench.run({
      specs: job.specs,
      writer,
      workers,
      signal,
      progress,
      onError: strict ? 'stop' : 'continue',
    })
    progress.end()
  } finally {
    writer.close()
  }
}

/** `reference needle query-agnostic`, `reference needle plain query-aware` */
export const labelOf = ({ model, task }: SweepJob): string => {
  const { protocol, form } = task.options
  return [model, task.bench, form, protocol ?? 'query-aware']
    .filter((part): part is string => typeof part === 'string' && part !== WORLD_FORM)
    .join(' ')
}
