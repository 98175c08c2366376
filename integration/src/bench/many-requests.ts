// Many requests at once on one model: what batching gains, who waits for what, and what memory they take.
//   pnpm bench:requests [--model FOLDER_OR_GGUF] [--tokens 512] [--rounds 3] [--only streams|prompts|memory]
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { loadModel, type Context, type Model } from '@qpkv/core'
import { median, randomIds } from './measure.ts'
import { oneBillion, writeRandomGguf } from './random-gguf.ts'

const MIB = 2 ** 20
const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    tokens: { type: 'string', default: '512' },
    rounds: { type: 'string', default: '3' },
    only: { type: 'string' },
  },
})
const tokens = Number(values.tokens)
const rounds = Number(values.rounds)
const STREAMS = 8

const print = (name: string, facts: Record<string, number | string>) => {
  const rounded = Object.entries(facts).map(([key, value]) => [
    key,
    typeof value === 'number' ? Number(value.toPrecision(4)) : value,
  ])
  console.log(JSON.stringify({ row: name, ...Object.fromEntries(rounded) }))
}
const percentile = (list: readonly number[], share: number) =>
  [...list].sort((a, b) => a - b)[Math.floor(share * (list.length - 1))] ?? NaN

const prompt = (model: Model, count: number, seed: number) => randomIds(count, model.config.vocabSize, seed)
const reply = (context: Context, maxTokens: number) =>
  context.generate({ maxTokens, stopTokens: [], temperature: 0 }).result

/** Tokens per second of some contexts that generate at once. */
async function rate(contexts: readonly Context[], count: number): Promise<number> {
  const before = performance.now()
  await Promise.all(contexts.map((context) => reply(context, count)))
  return (contexts.length * count * 1000) / (performance.now() - before)
}

/** One stream and eight, in turn. */
async function streams(model: Model): Promise<void> {
  const contexts = await Promise.all(
    Array.from({ length: STREAMS }, (_, at) => model.prefill(prompt(model, 128, at + 1))),
  )
  await rate(contexts, 2)
  const one: number[] = []
  const many: number[] = []
  const before = model.stats()
  for (let round = 0; round < rounds; round++) {
    one.push(await rate(contexts.slice(0, 1), 12))
    many.push(await rate(contexts, 12))
  }
  const after = model.stats()
  const ratios = many.map((value, at) => value / (one[at] ?? NaN))
  print('streams', {
    one: median(one),
    eight: median(many),
    ratio: median(ratios),
    least: Math.min(...ratios),
    most: Math.max(...ratios),
    tokensPerStep: (after.tokens.later - before.tokens.later) / (after.steps - before.steps),
  })
  for (const context of contexts) await context.dispose()
}

/** Eight prompts at once: when each has its first token, what else of the process waits, and how long a running reply does. */
async function prompts(model: Model): Promise<void> {
  const beside = await model.prefill(prompt(model, 64, 99))
  const alone = performance.now()
  await (await model.prefill(prompt(model, tokens, 50))).dispose()
  const prefill = performance.now() - alone
  const files: number[] = []
  const asked: number[] = []
  const gaps: number[] = []
  const firsts: number[] = []
  const end = new AbortController()
  const started = performance.now()
  const watch = (async () => {
    while (!end.signal.aborted) {
      const before = performance.now()
      void beside.report
      void beside.bytes
      const between = performance.now()
      await readFile('/proc/self/status')
      asked.push(between - before)
      files.push(performance.now() - between)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  })()
  const run = (async () => {
    let last = performance.now()
    for await (const _ of beside.generate({ maxTokens: 1e6, stopTokens: [], temperature: 0 })) {
      if (end.signal.aborted) break
      gaps.push(performance.now() - last)
      last = performance.now()
    }
  })()
  const contexts = await Promise.all(
    Array.from({ length: STREAMS }, async (_, at) => {
      const context = await model.prefill(prompt(model, tokens, at + 1))
      await reply(context, 1)
      firsts.push(performance.now() - started)
      return context
    }),
  )
  end.abort()
  await Promise.all([watch, run])
  print('prompts', {
    tokens,
    prefillAloneMs: prefill,
    unitMs: prefill / (model.facts.layers * Math.ceil(tokens / 512)),
    gapP50: percentile(gaps, 0.5),
    gapP95: percentile(gaps, 0.95),
    gapMost: Math.max(...gaps),
    readFileP50: percentile(files, 0.5),
    readFileP95: percentile(files, 0.95),
    readFileMost: Math.max(...files),
    reportP50: percentile(asked, 0.5),
    reportP95: percentile(asked, 0.95),
    reportMost: Math.max(...asked),
  })
  print('first tokens', Object.fromEntries(firsts.map((ms, at) => [`request${at + 1}`, ms])))
  for (const context of [beside, ...contexts]) await context.dispose()
}

const memory = (field: 'VmRSS' | 'VmHWM') =>
  Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1024

/** Forty requests against a limit that holds a few of them. */
async function limited(path: string, weightBytes: number, each: number): Promise<void> {
  const model = await loadModel(path, { memoryLimit: weightBytes + each })
  globalThis.gc?.()
  const idle = memory('VmRSS')
  writeFileSync('/proc/self/clear_refs', '5')
  let granted = 0
  let waiting = 0
  const done = await Promise.allSettled(
    Array.from({ length: 40 }, async (_, at) => {
      const context = await model.prefill(prompt(model, 48 + (at % 4) * 16, at + 1))
      for await (const _ of context.generate({ maxTokens: 8, stopTokens: [], temperature: 0 })) {
        const { bytes, queue } = model.stats()
        granted = Math.max(granted, bytes.granted)
        waiting = Math.max(waiting, queue.waitingForMemory)
      }
      await context.dispose()
    }),
  )
  const growth = memory('VmHWM') - idle
  const allowed = granted * 1.05 + 32 * MIB
  print('memory limit', {
    requests: done.length,
    failed: done.filter(({ status }) => status === 'rejected').length,
    waitedAtMost: waiting,
    limitMiB: each / MIB,
    grantedMiB: granted / MIB,
    growthMiB: growth / MIB,
    allowedMiB: allowed / MIB,
  })
  await model.dispose()
}

const folder = mkdtempSync(join(tmpdir(), 'qpkv-requests-'))
try {
  const file = join(folder, 'random.gguf')
  if (values.model === undefined) writeRandomGguf(file, oneBillion, 'bf16')
  const path = values.model ?? file
  const model = await loadModel(path)
  const { weightBytes } = model
  print('machine', {
    cores: cpus().length,
    table: model.table,
    threads: model.threads,
    loadBefore: loadavg()[0] ?? NaN,
  })
  const wanted = (name: string) => values.only === undefined || values.only === name
  if (wanted('streams')) await streams(model)
  if (wanted('prompts')) await prompts(model)
  await model.dispose()
  if (wanted('memory')) await limited(path, weightBytes, 250 * MIB)
  print('machine', { loadAfter: loadavg()[0] ?? NaN })
} finally {
  rmSync(folder, { recursive: true, force: true })
}
