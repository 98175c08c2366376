// pnpm fuzz NAME --minutes N [--seed S]: reads mutated inputs until the time is over. A crash, a hang of more than 5 s, an exhausted heap
// or an error that is no KvError is a finding; its input is kept, and the exit code is 1. `pnpm fuzz all` shares the time out.
import { mkdtempSync, readdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { parseArgs } from 'node:util'
import type { WorkerMessage, WorkerOrder } from './fuzz/worker-order.ts'

const HANG_MS = 5000
const INPUT_BYTES = 1 << 16
const MAX_FINDINGS = 10
const corpora = fileURLToPath(new URL('fuzz/corpus', import.meta.url))

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { minutes: { type: 'string', default: '1' }, seed: { type: 'string', default: '1' } },
})
const names = readdirSync(corpora).sort()
const minutes = Number(values.minutes)
const seed = Number(values.seed)
const wanted = positionals[0] === 'all' ? names : positionals
if (
  wanted.length === 0 ||
  !wanted.every((name) => names.includes(name)) ||
  !(minutes > 0) ||
  !Number.isInteger(seed)
) {
  console.error(`Type: pnpm fuzz ${names.join('|')}|all --minutes N [--seed S]`)
  process.exit(2)
}

interface Outcome {
  readonly iterations: number
  /** By where they arise, so that one mistake is one finding. */
  readonly findings: Map<string, string>
}

const found = mkdtempSync(join(tmpdir(), 'qpkv-findings-'))
for (const name of wanted) {
  const { iterations, findings } = await fuzz(name, Date.now() + (minutes * 60_000) / wanted.length)
  if (iterations === 0) process.exitCode = 1 // nothing was read, so nothing is known
  console.log(`${name}: ${iterations} inputs, ${findings.size} finding${findings.size === 1 ? '' : 's'}`)
  for (const text of findings.values()) console.log(text)
  if (findings.size > 0) process.exitCode = 1
}

async function fuzz(name: string, until: number): Promise<Outcome> {
  const findings = new Map<string, string>()
  let iterations = 0
  while (Date.now() < until && findings.size < MAX_FINDINGS) {
    const { next, finding } = await runWorker(name, iterations, until, (iteration, error, bytes) => {
      keep(findings, name, iteration, error, bytes)
      return findings.size < MAX_FINDINGS
    })
    if (finding) keep(findings, name, next, finding.error, finding.bytes)
    iterations = next + (finding ? 1 : 0)
  }
  return { iterations, findings }
}

function keep(
  findings: Map<string, string>,
  name: string,
  iteration: number,
  error: string,
  bytes: Uint8Array,
) {
  const lines = error.split('\n')
  const place = lines.find((line) => /^\s+at /.test(line)) ?? lines[0] ?? ''
  if (findings.has(place)) return
  const file = join(found, `${name}-${iteration}`)
  writeFileSync(file, bytes)
  findings.set(place, `  iteration ${iteration}, input ${file}\n    ${lines.slice(0, 6).join('\n    ')}`)
}

interface WorkerEnd {
  readonly next: number
  /** Why it was ended, if it was. */
  readonly finding?: { readonly error: string; readonly bytes: Uint8Array }
}

function runWorker(
  target: string,
  from: number,
  until: number,
  onFinding: (iteration: number, error: string, bytes: Uint8Array) => boolean,
): Promise<WorkerEnd> {
  const shared = new SharedArrayBuffer(8 + INPUT_BYTES)
  const counter = new Int32Array(shared, 0, 2)
  counter[0] = -1 // not started: compiling takes a while
  const order: WorkerOrder = { target, corpus: join(corpora, target), seed, from, until, shared }
  const worker = new Worker(new URL('fuzz/start-worker.mjs', import.meta.url), {
    workerData: order,
    resourceLimits: { maxOldGenerationSizeMb: 1024 },
  })
  const current = () => new Uint8Array(shared, 8).slice(0, counter[1])
  return new Promise((resolve) => {
    let last = -1
    let started = Date.now() + 15_000
    const end = (result: WorkerEnd) => {
      clearInterval(watch)
      void worker.terminate().then(() => resolve(result))
    }
    const watch = setInterval(() => {
      const now = Atomics.load(counter, 0)
      if (now !== last) {
        last = now
        started = Date.now()
      } else if (now < 0 && Date.now() - started > HANG_MS)
        end({ next: from }) // a thread that loads TypeScript sometimes does not start: try another one
      else if (Date.now() - started > HANG_MS)
        end({ next: now, finding: { error: `hangs for more than ${HANG_MS / 1000} s`, bytes: current() } })
    }, 200)
    worker.on('message', (message: WorkerMessage) => {
      if (message.kind === 'done') end({ next: message.iteration })
      else if (!onFinding(message.iteration, message.error, message.bytes)) end({ next: message.iteration })
    })
    worker.on('error', (cause) => {
      if (Atomics.load(counter, 0) < 0) throw cause // it did not even start
      end({
        next: Atomics.load(counter, 0),
        finding: { error: cause.stack ?? cause.message, bytes: current() },
      })
    })
  })
}
