// Whether this checkout is slower than another one: both decode and read prompts in turns, one thread, CPU time of the process, so
// that what else the machine does falls on both. A second process of this checkout plays too: its ratio to the first (A/A) says
// what the others are worth. Both checkouts need dependencies and a built addon; only what both have had for long is called.
//
//   pnpm bench:against CHECKOUT [--model bundled|random|FOLDER|FILE.gguf]... [--rounds 12] [--case PART OF A NAME]...
//
// Without a model: the bundled one, and a random one of the shape of 1B with a quarter of the layers, written for the run.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import type * as Core from '@qpkv/core'
import { exportModel } from '@qpkv/core'
import type * as Methods from '@qpkv/methods'
import { modelFolder } from '@qpkv/reference-model'
import { median } from './measure.ts'
import { oneBillion, writeRandomGguf } from './random-gguf.ts'

interface Case {
  readonly compression: string
  readonly prompt: number
  /** Tokens decoded; 0: the prompt itself is timed. */
  readonly decode: number
}

const small: Readonly<Record<string, Case>> = {
  'decode, full cache of 1,000': { compression: 'none+none', prompt: 1000, decode: 64 },
  'decode, 4 bit, 4,000': { compression: 'none+kivi:bits=4', prompt: 4000, decode: 64 },
  'decode, snapkv to 512, 4 bit': { compression: 'snapkv+kivi:bits=4@512t', prompt: 4000, decode: 64 },
  'decode, streaming in 512': { compression: 'streamingllm+none@512t', prompt: 2000, decode: 64 },
  'prompt of 2,000': { compression: 'none+none', prompt: 2000, decode: 0 },
  'prompt of 2,000, snapkv, 4 bit': { compression: 'snapkv+kivi:bits=4@512t', prompt: 2000, decode: 0 },
  'prompt of 2,000, h2o': { compression: 'h2o+none@512t', prompt: 2000, decode: 0 },
}
const large: Readonly<Record<string, Case>> = {
  'decode, full cache of 256': { compression: 'none+none', prompt: 256, decode: 6 },
  'decode, 4 bit, 256': { compression: 'none+kivi:bits=4', prompt: 256, decode: 6 },
  'prompt of 256': { compression: 'none+none', prompt: 256, decode: 0 },
}

const { values: flags, positionals } = parseArgs({
  options: {
    model: { type: 'string', multiple: true },
    rounds: { type: 'string', default: '12' },
    case: { type: 'string', multiple: true },
    play: { type: 'string' },
  },
  allowPositionals: true,
})
if (flags.play) await play(flags.play)
else await compare(resolve(positionals[0] ?? '.'), Number(flags.rounds))

/** A process of one checkout: reads cases, prints milliseconds of CPU time. */
async function play(model: string): Promise<void> {
  // The checkout's own, whose types may be others than these.
  const load = (path: string): Promise<unknown> => import(pathToFileURL(resolve(path)).href)
  const { loadModel } = (await load('packages/core/src/index.ts')) as typeof Core
  const { registry } = (await load('packages/methods/src/index.ts')) as typeof Methods
  const loaded = await loadModel(model, { threads: 1, methods: registry })
  const cpu = async (run: () => Promise<unknown>) => {
    const before = process.cpuUsage()
    await run()
    const { user, system } = process.cpuUsage(before)
    return (user + system) / 1000
  }
  const contexts = new Map<string, Core.Context>()
  console.log('ready')
  for await (const line of createInterface({ input: process.stdin })) {
    const { compression, prompt, decode } = JSON.parse(line) as Case
    const ids = Int32Array.from({ length: prompt }, (_, i) => (i * 37 + 5 * (i % 11)) % 3000)
    const read = () => loaded.prefill(ids, { compression, onWarning: () => {} })
    if (decode === 0) console.log(await cpu(async () => (await read()).dispose()))
    else {
      const context = contexts.get(line) ?? (await read())
      contexts.set(line, context)
      const fork = context.fork()
      const options = { maxTokens: decode, temperature: 0, stopTokens: [] }
      console.log(await cpu(() => fork.generate(options).result))
      await fork.dispose()
    }
  }
}

type Player = (what: Case) => Promise<number>

async function start(checkout: string, model: string): Promise<{ ask: Player; end: () => void }> {
  const script = fileURLToPath(import.meta.url)
  const child = spawn(
    process.execPath,
    ['--conditions=@qpkv/source', '--import', 'tsx', script, '--play', model],
    { cwd: checkout, stdio: ['pipe', 'pipe', 'inherit'] },
  )
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async () => {
    const { value, done } = await lines.next()
    if (done) throw new Error(`${checkout} ended; see above.`)
    return value
  }
  await next()
  const ask: Player = async (what) => {
    child.stdin.write(`${JSON.stringify(what)}\n`)
    return Number(await next())
  }
  return { ask, end: () => child.stdin.end() }
}

/** The median ratio, and the interval of ranks that holds the true one in 95 of 100 cases. */
function ratioText(ratios: readonly number[]): string {
  const sorted = [...ratios].sort((a, b) => a - b)
  // Of n signs fewer than `rank` fall on one side in at most 2.5 of 100 cases.
  let rank = 0
  for (let term = 0.5 ** sorted.length, sum = term; sum <= 0.025; sum += term) {
    rank++
    term *= (sorted.length - rank + 1) / rank
  }
  const at = (i: number) => (sorted[i] ?? NaN).toFixed(3)
  return `${median(sorted).toFixed(3)} (${at(Math.max(0, rank - 1))} to ${at(sorted.length - Math.max(1, rank))})`
}

async function compare(checkout: string, rounds: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'qpkv-against-'))
  try {
    for (const model of flags.model ?? ['bundled', 'random'])
      if (model === 'random') {
        const file = join(folder, 'random.gguf')
        writeRandomGguf(file, { ...oneBillion, layers: oneBillion.layers / 4 }, 'bf16')
        const exported = join(folder, 'exported') // checkouts from before GGUF files read it too
        await exportModel(file, exported)
        rmSync(file)
        await compareOn(exported, large, checkout, rounds)
      } else await compareOn(model === 'bundled' ? modelFolder : resolve(model), small, checkout, rounds)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

async function compareOn(
  model: string,
  cases: Readonly<Record<string, Case>>,
  checkout: string,
  rounds: number,
): Promise<void> {
  const here = join(import.meta.dirname, '../../..')
  const players = [await start(here, model), await start(here, model), await start(checkout, model)] as const
  const [ours, again, theirs] = players
  console.log(`\n${model}, ${rounds} rounds: CPU time of this checkout over that of ${checkout}\n`)
  console.log('| case | ours, ms | ours / theirs | A/A |\n| --- | ---: | ---: | ---: |')
  const wanted = Object.entries(cases).filter(
    ([name]) => flags.case?.some((part) => name.includes(part)) ?? true,
  )
  for (const [name, what] of wanted) {
    for (const { ask } of players) await ask(what) // buffers exist then
    const times: number[] = []
    const ratios: number[] = []
    const same: number[] = []
    for (let round = 0; round < rounds; round++) {
      const order = [ours, theirs, again]
      if (round % 2 === 1) order.reverse()
      const took = new Map<unknown, number>()
      for (const player of order) took.set(player, await player.ask(what))
      const time = took.get(ours) ?? NaN
      times.push(time)
      ratios.push(time / (took.get(theirs) ?? NaN))
      same.push(time / (took.get(again) ?? NaN))
    }
    console.log(`| ${name} | ${median(times).toFixed(1)} | ${ratioText(ratios)} | ${ratioText(same)} |`)
  }
  for (const { end } of players) end()
}
