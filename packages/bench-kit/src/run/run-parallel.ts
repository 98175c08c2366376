import { KvError } from '@qpkv/spec'

/**
 * Runs jobs in order, `workers` at once. The first error stops further jobs, aborts
 * those that run, and is thrown when they have ended.
 * @throws KvError KV_ABORTED when `signal` fires before all jobs are done.
 */
export async function runParallel<Job>(
  jobs: readonly Job[],
  workers: number,
  signal: AbortSignal,
  work: (job: Job, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const stop = new AbortController()
  const merged = AbortSignal.any([signal, stop.signal])
  const errors: unknown[] = []
  let next = 0
  const worker = async () => {
    while (next < jobs.length && !merged.aborted) {
      const job = jobs[next] as Job
      next += 1
      try {
        await work(job, merged)
      } catch (error) {
        errors.push(error)
        stop.abort()
      }
    }
  }
  await Promise.all(Array.from({ length: Math.max(1, Math.min(workers, jobs.length)) }, worker))
  if (errors.length > 0) throw errors[0]
  if (signal.aborted && next < jobs.length) {
    throw new KvError('KV_ABORTED', `Cancelled after ${next} of ${jobs.length} jobs.`, {
      hint: 'What is done is saved; the same command goes on with it.',
    })
  }
}
