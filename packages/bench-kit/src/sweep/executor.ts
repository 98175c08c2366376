import { runParallel } from '../run/run-parallel.ts'
import type { SweepJob } from './grid.ts'

export type JobState = 'waiting' | 'running' | 'done' | 'failed'

export interface JobOutcome {
  readonly id: string
  readonly state: 'done' | 'failed'
  /** Why it failed. */
  readonly message?: string
}

export interface ExecutorOptions {
  readonly signal?: AbortSignal
  readonly onState?: (id: string, state: JobState) => void
}

/** Carries jobs to where they run. A queue on other machines implements this; jobs and outcomes are plain JSON. */
export interface Executor {
  run(jobs: readonly SweepJob[], options?: ExecutorOptions): Promise<readonly JobOutcome[]>
}

export interface LocalExecutorOptions {
  /** Jobs at once. Default 1. */
  readonly workers?: number
  /** Runs one job; resuming and locking are its own (the result file's). */
  readonly work: (job: SweepJob, signal: AbortSignal) => Promise<void>
  /** `continue`: a failed job is reported, the others go on. `stop`: it ends the sweep. Default `continue`. */
  readonly onError?: 'continue' | 'stop'
}

/** Runs jobs in this process. A job that occurs twice runs once. */
export function localExecutor({ workers = 1, work, onError = 'continue' }: LocalExecutorOptions): Executor {
  return {
    async run(jobs, options = {}) {
      const unique = [...new Map(jobs.map((job) => [job.id, job])).values()]
      const outcomes = new Map<string, JobOutcome>()
      for (const { id } of unique) options.onState?.(id, 'waiting')
      const signal = options.signal ?? new AbortController().signal
      await runParallel(unique, workers, signal, async (job, jobSignal) => {
        options.onState?.(job.id, 'running')
        try {
          await work(job, jobSignal)
          outcomes.set(job.id, { id: job.id, state: 'done' })
          options.onState?.(job.id, 'done')
        } catch (error) {
          options.onState?.(job.id, 'failed')
          if (onError === 'stop' || jobSignal.aborted) throw error
          const message = error instanceof Error ? error.message : String(error)
          outcomes.set(job.id, { id: job.id, state: 'failed', message })
        }
      })
      return unique.flatMap(({ id }) => outcomes.get(id) ?? [])
    },
  }
}
