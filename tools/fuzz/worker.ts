// The side of the fuzzer that reads inputs. It tells the watcher what it is about to read, so that an input that hangs or kills it is known.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { parentPort, workerData } from 'node:worker_threads'
import { mutate } from './mutate.ts'
import { FuzzRandom } from './random.ts'
import { isExpected } from './target.ts'
import { cleanUp, readSeed, targets } from './targets.ts'
import type { WorkerMessage, WorkerOrder } from './worker-order.ts'

const { target: name, corpus, seed, from, until, shared } = workerData as WorkerOrder
const target = targets[name]
if (!target) throw new Error(`no target ${name}`)
const seeds = readdirSync(corpus).map((file) => readSeed(join(corpus, file)))
const counter = new Int32Array(shared, 0, 2) // [iteration, bytes of the input]
const current = new Uint8Array(shared, 8)
const say = (message: WorkerMessage) => parentPort?.postMessage(message, []) // nothing to transfer

// Libraries that talk about broken files would drown the findings.
console.warn = () => undefined

let iteration = from
for (; Date.now() < until; iteration++) {
  // The first inputs are the seeds themselves.
  const bytes = seeds[iteration] ?? mutate(new FuzzRandom(seed, iteration), seeds)
  current.set(bytes.subarray(0, current.length))
  Atomics.store(counter, 1, Math.min(bytes.length, current.length))
  Atomics.store(counter, 0, iteration)
  try {
    await target.read(bytes)
    if (iteration < seeds.length) continue
  } catch (cause) {
    if (isExpected(cause)) continue
    const error = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)
    say({
      kind: 'finding',
      iteration,
      error: `${(cause as { code?: string }).code ?? ''} ${error}`,
      bytes: Uint8Array.from(bytes),
    })
  }
}
cleanUp()
say({ kind: 'done', iteration })
