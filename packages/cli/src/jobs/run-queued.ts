import { setTimeout } from 'node:timers/promises'
import { collectResults, contentHash, ResultWriter, type ResultLine, type RunIdentity } from '@qpkv/bench-kit'
import { KvError, type Json } from '@qpkv/spec'
import type { Io } from '../io.ts'
import type { ReadyJob } from '../sweep/run-sweep.ts'
import { connectionTo, importBullmq, type QueuedWork } from './bullmq.ts'

/** Lost events are made up for so often. */
const LOOK_ROUND_MS = 5000
const ATTEMPTS = 3

export interface QueueOptions {
  readonly redis: string
  readonly queue: string
  /** Samples of a queued job. */
  readonly chunk: number
  readonly load: QueuedWork['load']
  readonly versions: (job: ReadyJob) => Promise<Readonly<Record<string, string>>>
  readonly io: Io
}

/**
 * Puts the samples of jobs into a queue and takes what workers make of them into the jobs' result files. Samples that these hold are not
 * asked. A part whose worker dies goes to another one; one that fails three times is given up, and named at the end. Ctrl-C takes back what
 * waits and stops what runs.
 */
export async function runQueued(ready: readonly ReadyJob[], options: QueueOptions): Promise<void> {
  const { Queue, QueueEvents } = await importBullmq()
  const connection = connectionTo(options.redis)
  const queue = new Queue<QueuedWork, readonly ResultLine[]>(options.queue, { connection })
  const events = new QueueEvents(options.queue, { connection })
  const { io } = options
  const files = await openFiles(ready, options)
  const pending = new Map<string, ReadyJob>()
  const failures: string[] = []
  const total = { samples: 0 }
  /** Takes over what a part came to, once. */
  const finish = async (id: string) => {
    const one = pending.get(id)
    const job = one && (await queue.getJob(id))
    if (!one || !job) return
    const failed = await job.isFailed()
    if (!failed && !(await job.isCompleted())) return
    if (!pending.delete(id)) return // another event was faster
    if (failed) failures.push(`${one.job.task.bench} ${rangeText(job.data)}: ${job.failedReason ?? ''}`)
    else files.get(one.path)?.addFrom(collectResults(job.returnvalue, `part ${id}`))
    await job.remove()
    io.stderr.write(`${total.samples - pending.size} of ${total.samples} parts are done\n`)
  }
  try {
    const parts = ready.flatMap((one) => partsOf(one, files.get(one.path), options))
    total.samples = parts.length
    for (const { id, one } of parts) pending.set(id, one)
    events.on('completed', ({ jobId }) => void finish(jobId).catch(() => undefined))
    events.on('failed', ({ jobId }) => void finish(jobId).catch(() => undefined))
    await events.waitUntilReady()
    await queue.addBulk(
      parts.map(({ id, data }) => ({
        name: 'samples',
        data,
        opts: { jobId: id, attempts: ATTEMPTS, backoff: { type: 'exponential', delay: 1000 } },
      })),
    )
    while (pending.size > 0) {
      for (const id of pending.keys()) await finish(id)
      const until = Date.now() + LOOK_ROUND_MS
      while (pending.size > 0 && Date.now() < until) await setTimeout(100, undefined, { signal: io.signal })
    }
  } catch (cause) {
    if (!io.signal.aborted) throw cause
    for (const id of pending.keys()) {
      const job = await queue.getJob(id)
      if (!job) continue
      // What runs is locked by its worker, which looks at its data.
      await job.remove().catch(() => job.updateData({ ...job.data, cancelled: true }))
    }
    throw new KvError('KV_ABORTED', `The sweep was cancelled; ${pending.size} parts were taken back.`, {
      hint: 'What is done is saved; run the same command again to go on.',
    })
  } finally {
    for (const file of files.values()) file.close()
    await events.close()
    await queue.close()
  }
  if (failures.length > 0)
    throw new KvError('KV_DATA', `${failures.length} parts failed ${ATTEMPTS} times: ${failures[0] ?? ''}`, {
      hint: 'What is done is saved; run the same command again to try them once more.',
    })
}

async function openFiles(ready: readonly ReadyJob[], options: QueueOptions) {
  const files = new Map<string, ResultWriter>()
  for (const one of ready) {
    if (files.has(one.path)) continue
    const { identity, extent }: { identity: RunIdentity; extent: ReadyJob['run']['extent'] } = one.run
    files.set(
      one.path,
      ResultWriter.open({ path: one.path, identity, extent, versions: await options.versions(one) }),
    )
  }
  return files
}

/** Ranges of samples of which the file lacks some record. */
function partsOf(one: ReadyJob, file: ResultWriter | undefined, { chunk, load }: QueueOptions) {
  const { job, run } = one
  const held = new Map<string, number>()
  for (const { sample } of file?.records ?? []) held.set(sample, (held.get(sample) ?? 0) + 1)
  const parts = []
  for (let from = 0; from < run.ids.length; from += chunk) {
    const to = Math.min(from + chunk, run.ids.length)
    if (run.ids.slice(from, to).every((id) => (held.get(id) ?? 0) >= job.specs.length)) continue
    const data: QueuedWork = { job: { ...job, samples: { from, to } }, load }
    parts.push({ id: contentHash(data as unknown as Json), data, one })
  }
  return parts
}

const rangeText = ({ job: { samples } }: QueuedWork) => `samples ${samples.from} to ${samples.to - 1}`
