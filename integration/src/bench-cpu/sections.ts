import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { HostProbe } from '../bench/host-probe.ts'
import { median } from '../bench/measure.ts'
import type { Contender } from './contender.ts'
import { runRounds, type Lane, type RoundLimits } from './paired.ts'
import { AGAIN, fewPairsRow, OURS, pairedRow, PEER, type Row } from './row.ts'
import { targetOf } from './targets.ts'

/** What rows are measured with: two idle processes and how long to go on. */
export interface Bench {
  readonly ours: Contender
  /** undefined: without a peer. */
  readonly peer: Contender | undefined
  readonly settings: PeerSettings
  readonly probe: HostProbe
  readonly table: string
  readonly rounds: {
    readonly decode: readonly [least: number, most: number]
    readonly prefill: readonly [number, number]
  }
  readonly say: (row: Row) => void
}

/** The peer's best setting (KV type, flash attention, threads) for prompts and for replies. */
export interface PeerSettings {
  readonly prefill: string
  readonly decode: string
  /** Every setting that was tried: milliseconds of the prompt and of a token. */
  readonly tried: Readonly<Record<string, readonly [prefill: number, decode: number]>>
}

export const FULL = 'none+none'
const SAME_WIDTH = 0.02

/** Tries flash attention and threads at one depth. */
export async function choosePeer(
  peer: Contender,
  depth: number,
  threads: readonly number[],
): Promise<PeerSettings> {
  const tried: Record<string, [number, number]> = {}
  for (const count of threads)
    for (const flash of ['on', 'off']) {
      const setting = `F16,${flash},${count}`
      const prefill = await peer.call('prefill', { caches: [setting], tokens: depth, keep: ['tried'] })
      const steps: number[] = []
      for (let i = 0; i < 3; i++) steps.push(await peer.call('decode', { cache: 'tried', tokens: 8 }))
      await peer.call('drop', { caches: ['tried'] })
      tried[setting] = [prefill, median(steps)]
    }
  const best = (at: 0 | 1) => Object.entries(tried).sort((a, b) => a[1][at] - b[1][at])[0]?.[0] ?? ''
  return { prefill: best(0), decode: best(1), tried }
}

/** A row of paired rounds: ours twice, and the peer. */
async function paired(
  bench: Bench,
  name: string,
  [least, most]: readonly [number, number],
  ours: (again: boolean) => Promise<number>,
  peer: () => Promise<number>,
): Promise<Row> {
  const lanes: Lane[] = [
    { name: OURS, measure: () => ours(false) },
    { name: AGAIN, measure: () => ours(true) },
    ...(bench.peer ? [{ name: PEER, measure: peer }] : []),
  ]
  const limits: RoundLimits = {
    least,
    most,
    same: [OURS, AGAIN],
    width: SAME_WIDTH,
    good: async () => (await bench.probe.measure()).good,
  }
  const row = pairedRow(name, least, await runRounds(lanes, limits), targetOf(name, bench.table))
  bench.say(row)
  return row
}

/** Time of a prompt, nothing kept. */
export const prefillRow = (bench: Bench, name: string, tokens: number): Promise<Row> =>
  paired(
    bench,
    name,
    bench.rounds.prefill,
    () => bench.ours.call('prefill', { caches: [FULL], tokens }),
    () => peerOf(bench).call('prefill', { caches: [bench.settings.prefill], tokens }),
  )

/** Time of a token after so many, one row a cache of ours; one prompt for all of them, and each round works on forks. */
export async function decodeRows(
  bench: Bench,
  tokens: number,
  caches: readonly (readonly [name: string, spec: string])[],
): Promise<Row[]> {
  const specs = caches.map(([, spec]) => spec)
  await bench.ours.call('prefill', { caches: specs, tokens, keep: specs })
  if (bench.peer)
    await bench.peer.call('prefill', { caches: [bench.settings.decode], tokens, keep: ['decode'] })
  const rows: Row[] = []
  for (const [name, spec] of caches)
    rows.push(
      await paired(
        bench,
        name,
        bench.rounds.decode,
        () => bench.ours.call('decode', { cache: spec, tokens: 12 }),
        () => peerOf(bench).call('decode', { cache: 'decode', tokens: 12 }),
      ),
    )
  await bench.ours.call('drop', { caches: specs })
  await bench.peer?.call('drop', { caches: ['decode'] })
  return rows
}

/** Time of a token of eight replies at once. */
export const streamsRow = (bench: Bench, name: string): Promise<Row> => {
  const streams = { count: 8, prompt: 128, tokens: 24 }
  return paired(
    bench,
    name,
    bench.rounds.prefill,
    () => bench.ours.call('streams', { cache: FULL, ...streams }),
    () => peerOf(bench).call('streams', { cache: bench.settings.decode, ...streams }),
  )
}

/** A long prompt, by a few pairs. */
export async function longPrefillRow(
  bench: Bench,
  name: string,
  { tokens, pairs, spec, setting }: { tokens: number; pairs: number; spec: string; setting: string },
): Promise<Row> {
  const times: [number, number][] = []
  for (let i = 0; i < pairs; i++) {
    const ours = () => bench.ours.call('prefill', { caches: [spec], tokens })
    const peer = () => peerOf(bench).call('prefill', { caches: [setting], tokens })
    if (i % 2 === 0) times.push([await ours(), await peer()])
    else {
      const first = await peer()
      times.push([await ours(), first])
    }
  }
  const row = fewPairsRow(name, times, targetOf(name, bench.table))
  bench.say(row)
  return row
}

export interface WholeProcess {
  readonly file: string
  readonly threads: number
  /** Prompt tokens. */
  readonly tokens: number
  readonly install: string | undefined
}

/** Start to first token, and the peak of a process that reads a short prompt and replies. */
export async function wholeProcessRows(bench: Bench, whole: WholeProcess): Promise<Row[]> {
  const start = { ...whole, tokens: 3 }
  const setting = bench.settings.decode
  const cold = await paired(
    bench,
    'cold start to the first token',
    bench.rounds.prefill,
    async () => (await runWhole(start)).first,
    async () => (await runWhole(start, setting)).first,
  )
  const memory = await paired(
    bench,
    'peak memory, 4-bit weights',
    [3, 3],
    async () => (await runWhole(whole)).peak,
    async () => (await runWhole(whole, setting)).peak,
  )
  return [cold, memory]
}

/** Milliseconds to the first token, peak in MiB. Plain Node and built packages, as a user runs them. */
async function runWhole(
  { file, tokens, threads, install }: WholeProcess,
  setting?: string,
): Promise<{ first: number; peak: number }> {
  const program = fileURLToPath(new URL('whole-process.mjs', import.meta.url))
  const peer = setting === undefined ? [] : [install ?? '', setting]
  const before = performance.now()
  const child = spawn(process.execPath, [program, file, String(tokens), String(threads), ...peer], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let first: number | undefined
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    first ??= performance.now() - before
    text += chunk
  })
  const status = await new Promise<number | null>((resolve) => child.once('close', resolve))
  const peak = Number(text.split('\n')[1]) / 2 ** 20
  if (status !== 0 || first === undefined || !(peak > 0))
    throw new Error(`${program} ${peer.join(' ')} ended with ${status} and said ${JSON.stringify(text)}`)
  return { first, peak }
}

function peerOf({ peer }: Bench): Contender {
  if (!peer) throw new Error('there is no peer')
  return peer
}
