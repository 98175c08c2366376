import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { once } from 'node:events'
import type { Benchmark, ResultLine } from '@qpkv/bench-kit'
import type { Queue } from 'bullmq'
import type { Command } from 'commander'
import type { Io } from '../io.ts'
import { connectionTo, DEFAULT_QUEUE, importBullmq, type QueuedWork } from '../jobs/bullmq.ts'
import { checkJob } from '../jobs/read-jobs.ts'
import { runShard } from '../jobs/run-shard.ts'
import { addModelOptions, openModel, type ModelFlags } from '../options/model.ts'
import { wholeNumber } from '../options/numbers.ts'
import { ModelPool } from '../sweep/model-pool.ts'

interface Flags extends Omit<ModelFlags, 'model'> {
  readonly redis: string
  readonly queue: string
  readonly lockSeconds: number
}

/** How often a worker looks whether its sweep has given the part up. */
const LOOK_MS = 1000

/** `qpkv worker`: takes parts of sweeps out of a queue until it is ended. */
export function addWorker(program: Command, io: Io, benchmarks: readonly Benchmark[]): void {
  const command = program
    .command('worker')
    .description(
      'run parts of sweeps out of a Redis queue (needs bullmq); Ctrl-C ends it after the part in work',
    )
    .requiredOption('--redis <URL>', 'the server, such as redis://127.0.0.1:6379')
    .option('--queue <NAME>', 'which queue', DEFAULT_QUEUE)
    .option('--lock-seconds <N>', 'a worker that is silent for so long counts as dead', wholeNumber(1), 30)
  addModelOptions(command).action(async (flags: Flags) => {
    await work(flags, benchmarks, io)
  })
}

async function work(flags: Flags, benchmarks: readonly Benchmark[], io: Io): Promise<void> {
  const bullmq = await importBullmq()
  const connection = connectionTo(flags.redis)
  const queue = new bullmq.Queue<QueuedWork>(flags.queue, { connection })
  const pools = new Map<string, ModelPool>()
  /** Models stay loaded, by how they were asked for. */
  const poolOf = (load: QueuedWork['load']) => {
    const key = JSON.stringify(load)
    const pool = pools.get(key) ?? new ModelPool((model) => openModel({ ...flags, ...load, model }, io))
    pools.set(key, pool)
    return pool
  }
  const worker = new bullmq.Worker<QueuedWork, readonly ResultLine[]>(
    flags.queue,
    async (queued) => {
      const job = checkJob(queued.data.job, `part ${queued.id ?? ''}`)
      const ends = new AbortController()
      const look = setInterval(() => void watch(queue, queued.id, ends), LOOK_MS)
      const folder = await mkdtemp(join(tmpdir(), 'qpkv-part-'))
      try {
        const [path] = await runShard([job], {
          shard: { index: 0, count: 1 },
          benchmarks,
          pool: poolOf(queued.data.load),
          folder,
          workers: 1,
          strict: false,
          io: { ...io, signal: ends.signal },
        })
        const text = path === undefined ? '' : await readFile(path, 'utf8')
        return text
          .split('\n')
          .filter((line) => line !== '')
          .map((line) => JSON.parse(line) as ResultLine)
      } catch (cause) {
        if (ends.signal.aborted) throw new bullmq.UnrecoverableError('cancelled')
        throw cause
      } finally {
        clearInterval(look)
        await rm(folder, { recursive: true, force: true })
      }
    },
    {
      connection,
      lockDuration: 1000 * flags.lockSeconds,
      stalledInterval: 1000 * flags.lockSeconds,
      maxStalledCount: 3,
    },
  )
  worker.on('error', (error) => io.stderr.write(`worker: ${error.message}\n`))
  worker.on('failed', (queued, error) =>
    io.stderr.write(`part ${queued?.id ?? ''} failed: ${error.message}\n`),
  )
  await worker.waitUntilReady()
  io.stderr.write(`waiting for parts in ${flags.queue} at ${flags.redis}\n`)
  if (!io.signal.aborted) await once(io.signal, 'abort')
  io.stderr.write('ending after the part in work\n')
  await worker.close()
  await queue.close()
  for (const pool of pools.values()) await pool[Symbol.asyncDispose]()
}

/** Ends a part that its sweep has given up or taken back. */
async function watch(queue: Queue<QueuedWork>, id: string | undefined, ends: AbortController): Promise<void> {
  const now = await queue.getJob(id ?? '').catch(() => ({ data: { cancelled: false } }))
  if (!now || now.data.cancelled === true) ends.abort()
}
