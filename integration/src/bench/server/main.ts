// pnpm bench:server [--file FILE.gguf] [--requests 200] [--connections 16] [--tokens 32] [--rounds 3] [--threads 2] [--compress SPEC]:
// `qpkv serve` beside node-llama-cpp behind an equally small server: the same file, the same prompts, in turn, each in a process of its own.
// Then ours alone: time to the first token without a prefix, with one kept in memory, and with one saved by an earlier process.
import { mkdtempSync, rmSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { modelFile } from '../../real-model/model-file.ts'
import { ask, load, percentile, type Seen } from './load.ts'
import { startOurs, startPeer, type Server } from './servers.ts'

const { values } = parseArgs({
  options: {
    file: { type: 'string' },
    python: { type: 'string', default: 'python3' },
    requests: { type: 'string', default: '200' },
    connections: { type: 'string', default: '16' },
    tokens: { type: 'string', default: '32' },
    rounds: { type: 'string', default: '3' },
    threads: { type: 'string', default: `${cpus().length}` },
    compress: { type: 'string' },
  },
})
const count = (name: 'requests' | 'connections' | 'tokens' | 'rounds' | 'threads') => {
  const value = Number(values[name])
  if (!Number.isInteger(value) || value < 1)
    throw new Error(`--${name} expects a whole number of at least 1.`)
  return value
}
const [requests, connections, tokens, rounds, threads] = [
  count('requests'),
  count('connections'),
  count('tokens'),
  count('rounds'),
  count('threads'),
]
const folder = fileURLToPath(new URL('../../../../.tools/real-model', import.meta.url))
const file = await modelFile(values.file, folder, values.python)
const settings = { file, threads, concurrent: Math.max(connections, 16), contextTokens: 1024 }

const topics = ['the sea', 'a garden', 'old maps', 'bread', 'a railway', 'winter', 'glass', 'a lighthouse']
/** Texts that share no beginning, of about forty tokens. */
const prompts = (from: number, many: number) =>
  Array.from({ length: many }, (_, i) => {
    const topic = topics[(from + i) % topics.length] ?? ''
    return `${from + i} pages about ${topic}, written for readers who know nothing of ${topic} yet. The first chapter begins with a walk, and what one sees of ${topic} on the way. Once upon a time`
  })

const row = (name: string, facts: Readonly<Record<string, number | string>>) => {
  const rounded = Object.entries(facts).map(([key, value]) => [
    key,
    typeof value === 'number' ? Number(value.toPrecision(4)) : value,
  ])
  console.log(JSON.stringify({ row: name, ...Object.fromEntries(rounded) }))
}

/** Streams at once, tokens per second of all together. */
async function rate(server: Server, streams: number, from: number): Promise<number> {
  const result = await load(server.url, prompts(from, streams), streams, tokens * 2)
  const span =
    Math.max(...result.seen.map(({ lastMs }) => lastMs)) -
    Math.min(...result.seen.map(({ firstMs }) => firstMs))
  return (result.seen.reduce((sum, one) => sum + one.tokens, 0) * 1000) / span
}

const median = (list: readonly number[]) => percentile(list, 0.5)

const servers = [
  await startOurs(settings, values.compress === undefined ? [] : ['--compress', values.compress]),
  await startPeer(settings, `${folder}/peer`),
]
try {
  row('machine', { cpu: cpus()[0]?.model ?? '', cores: cpus().length, threads, load: loadavg()[0] ?? NaN })
  for (const { url } of servers) await load(url, prompts(0, connections), connections, 8)
  const seen = servers.map((): Seen[] => [])
  const seconds = servers.map(() => 0)
  const failed = servers.map(() => 0)
  const rates = servers.map(() => [1, 8, 16].map((): number[] => []))
  for (let round = 0; round < rounds; round++)
    for (const [at, server] of servers.entries()) {
      const result = await load(server.url, prompts(1000 * (round + 1), requests), connections, tokens)
      seen[at]?.push(...result.seen)
      seconds[at] = (seconds[at] ?? 0) + result.seconds
      failed[at] = (failed[at] ?? 0) + result.failed
      for (const [i, streams] of [1, 8, 16].entries())
        rates[at]?.[i]?.push(await rate(server, streams, 1000 * (round + 1) + 500))
    }
  for (const [at, server] of servers.entries()) {
    const each = seen[at] ?? []
    row(server.name, {
      startMs: server.startMs,
      requests: each.length,
      failed: failed[at] ?? NaN,
      p50Ms: percentile(
        each.map(({ lastMs }) => lastMs),
        0.5,
      ),
      p99Ms: percentile(
        each.map(({ lastMs }) => lastMs),
        0.99,
      ),
      firstTokenP50Ms: percentile(
        each.map(({ firstMs }) => firstMs),
        0.5,
      ),
      firstTokenP99Ms: percentile(
        each.map(({ firstMs }) => firstMs),
        0.99,
      ),
      tokensPerSecond: each.reduce((sum, one) => sum + one.tokens, 0) / (seconds[at] ?? NaN),
      streams1: median(rates[at]?.[0] ?? []),
      streams8: median(rates[at]?.[1] ?? []),
      streams16: median(rates[at]?.[2] ?? []),
      residentMiB: server.resident() / 2 ** 20,
    })
  }
} finally {
  for (const server of servers) await server.stop()
}

// A document of its own per round: read afresh, gone on from in memory, and by the next process from a file.
const folderOfPrefixes = mkdtempSync(join(tmpdir(), 'qpkv-prefixes-'))
const keep = ['--keep-prefixes', '1GiB', '--prefix-cache', folderOfPrefixes]
const question = (round: number) => `${prompts(7000 + 20 * round, 16).join('\n')}\nOne.`
const firsts = { freshMs: [] as number[], keptPrefixMs: [] as number[], savedPrefixMs: [] as number[] }
const asked = async (flags: readonly string[], work: (server: Server) => Promise<void>) => {
  const server = await startOurs(settings, flags)
  try {
    await ask(server.url, 'Hello', 2)
    await work(server)
  } finally {
    await server.stop()
  }
}
try {
  await asked(keep, async ({ url }) => {
    for (let round = 0; round < rounds; round++) {
      firsts.freshMs.push((await ask(url, question(round), 4)).firstMs)
      firsts.keptPrefixMs.push((await ask(url, question(round), 4)).firstMs)
    }
  })
  await asked(keep, async ({ url }) => {
    for (let round = 0; round < rounds; round++)
      firsts.savedPrefixMs.push((await ask(url, question(round), 4)).firstMs)
  })
  row(
    'first token of a long prompt',
    Object.fromEntries(Object.entries(firsts).map(([name, list]) => [name, median(list)])),
  )
} finally {
  rmSync(folderOfPrefixes, { recursive: true, force: true })
}
