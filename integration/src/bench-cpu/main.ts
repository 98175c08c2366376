// This engine on the CPU beside node-llama-cpp, in rounds in which both take turns, and every kernel beside the machine's ceilings.
//   pnpm bench:cpu [--quick | --full] [--table avx2] [--json FILE] [--only NAMES] [--no-peer] [--peer FOLDER] [--show FILE]
// A run with --only adds its rows to the FILE of --json, so that an hour can be measured in parts.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, loadavg, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { machineFacts, type MachineFacts } from '@qpkv/bench-kit'
import { packedSettings, type ModelPrecision } from '@qpkv/core'
import { HostProbe } from '../bench/host-probe.ts'
import { oneBillion, writeRandomGguf, type RandomFormat, type Shape } from '../bench/random-gguf.ts'
import { Contender } from './contender.ts'
import { installPeer, peerVersion } from './install-peer.ts'
import { joinedWithFile } from './joined-runs.ts'
import { runKernels, type Ceiling, type KernelRow } from './kernels.ts'
import { methodCosts, type MethodCost } from './method-costs.ts'
import type { Row } from './row.ts'
import {
  choosePeer,
  decodeRows,
  FULL,
  longPrefillRow,
  prefillRow,
  streamsRow,
  wholeProcessRows,
  type Bench,
  type PeerSettings,
} from './sections.ts'
import { markdownTables, progressLine } from './tables.ts'

/** What one run leaves. */
export interface CpuBench {
  readonly machine: MachineFacts
  readonly table: string
  readonly threads: number
  readonly mode: string
  /** Peer, its settings, load of the machine. */
  readonly note: string
  readonly settings: Readonly<Record<string, PeerSettings>>
  readonly rows: Row[]
  readonly methods: MethodCost[]
  readonly ceilings: readonly Ceiling[]
  readonly kernels: readonly KernelRow[]
}

const { values: flags } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    full: { type: 'boolean', default: false },
    table: { type: 'string' },
    threads: { type: 'string', default: String(availableParallelism()) },
    json: { type: 'string' },
    only: { type: 'string' },
    peer: { type: 'string' },
    'no-peer': { type: 'boolean', default: false },
    show: { type: 'string' },
  },
})

const parts = [
  'int4',
  'int4-fast',
  'int8',
  'int8-fast',
  'bf16',
  'heads-128',
  'long',
  'methods',
  'kernels',
] as const
type Part = (typeof parts)[number]

const headsOf128: Shape = { ...oneBillion, layers: 8, queryHeads: 16, kvHeads: 4, headDim: 128 }
const fourLayers: Shape = { ...oneBillion, layers: 4 }

if (flags.show !== undefined) {
  console.log(markdownTables(JSON.parse(readFileSync(flags.show, 'utf8')) as CpuBench))
} else await measureAll()

function wantedParts(): Set<Part> {
  const known = (name: string): Part => {
    const part = parts.find((each) => each === name)
    if (!part) throw new Error(`Expected --only of ${parts.join(', ')} but received ${name}`)
    return part
  }
  if (flags.only !== undefined) return new Set(flags.only.split(',').map(known))
  return new Set(flags.quick ? ['int4', 'int4-fast', 'kernels'] : parts)
}

async function measureAll(): Promise<void> {
  const wanted = wantedParts()
  const threads = Number(flags.threads)
  const cache = packedSettings().folder
  const install = flags['no-peer']
    ? undefined
    : (flags.peer ?? installPeer(join(cache === undefined ? tmpdir() : dirname(cache), 'peers')))
  if (flags.full) console.log('The full bench takes about three hours on two cores.')
  const folder = mkdtempSync(join(tmpdir(), 'qpkv-bench-'))
  process.env['QPKV_CACHE'] = join(folder, 'cache') // both start from the file: nothing of an earlier run helps
  const probe = new HostProbe()
  const rows: Row[] = []
  const methods: MethodCost[] = []
  const settings: Record<string, PeerSettings> = {}
  let table = flags.table ?? ''
  const loads = [loadavg()[0] ?? NaN]

  /** Both contenders with a random model of this shape and format open. */
  const withModel = async (
    shape: Shape,
    format: RandomFormat,
    work: (bench: Bench, file: string) => Promise<void>,
    withPeer = true,
    precision: ModelPrecision = 'bf16',
  ): Promise<void> => {
    const file = join(folder, 'random.gguf')
    writeRandomGguf(file, shape, format)
    const ours = new Contender('our-process.ts')
    const peer = withPeer && install !== undefined ? new Contender('peer-process.mjs') : undefined
    try {
      const opened = await ours.call('open', {
        file,
        threads,
        precision,
        ...(flags.table !== undefined && { table: flags.table }),
      })
      table = opened.table ?? ''
      let chosen: PeerSettings = { prefill: '', decode: '', tried: {} }
      if (peer) {
        await peer.call('open', { file, threads, ...(install !== undefined && { install }) })
        const name = shapeName(shape)
        chosen = settings[name] ?? (await choosePeer(peer, flags.quick ? 512 : 2048, [1, threads]))
        settings[name] = chosen
      }
      const bench: Bench = {
        ours,
        peer,
        settings: chosen,
        probe,
        table,
        rounds: { decode: [20, 60], prefill: flags.quick ? [8, 20] : [12, 30] },
        say: (row) => {
          rows.push(row)
          console.log(progressLine(row))
        },
      }
      await work(bench, file)
    } finally {
      await ours.close()
      await peer?.close()
      rmSync(join(folder, 'cache'), { recursive: true, force: true })
    }
  }

  const shortRows = async (bench: Bench, what: string) => {
    await prefillRow(bench, `prefill 512, ${what}`, 512)
    await decodeRows(bench, 512, [[`decode at 512, ${what}`, FULL]])
    if (flags.full) await decodeRows(bench, 2048, [[`decode at 2,048, ${what}`, FULL]])
  }

  try {
    if (wanted.has('int4') || wanted.has('long'))
      await withModel(oneBillion, 'q4_0', async (bench, file) => {
        if (wanted.has('int4')) {
          await shortRows(bench, '4-bit weights')
          await streamsRow(bench, '8 streams at once, 4-bit weights')
          await wholeProcessRows(bench, { file, threads, tokens: 512, install })
        }
        if (wanted.has('long')) await longRows(bench)
      })
    const fast = async (bench: Bench, what: string) => {
      await shortRows(bench, what)
      await streamsRow(bench, `8 streams at once, ${what}`)
    }
    if (wanted.has('int4-fast'))
      await withModel(
        oneBillion,
        'q4_0',
        (bench) => fast(bench, '4-bit weights, bf16-fast'),
        true,
        'bf16-fast',
      )
    if (wanted.has('int8-fast'))
      await withModel(
        oneBillion,
        'q8_0',
        (bench) => fast(bench, '8-bit weights, bf16-fast'),
        true,
        'bf16-fast',
      )
    if (wanted.has('int8')) await withModel(oneBillion, 'q8_0', (bench) => shortRows(bench, '8-bit weights'))
    if (wanted.has('bf16'))
      await withModel(oneBillion, 'bf16', async (bench) => {
        await shortRows(bench, '16-bit weights')
        await streamsRow(bench, '8 streams at once, 16-bit weights')
      })
    if (wanted.has('heads-128'))
      await withModel(headsOf128, 'q4_0', (bench) =>
        shortRows(bench, '4-bit weights, 8 layers, heads of 128'),
      )
    if (wanted.has('methods'))
      await withModel(
        fourLayers,
        'q4_0',
        async (bench) => {
          methods.push(...(await methodCosts(bench, 2048, 20)))
        },
        false,
      )
    const native = wanted.has('kernels')
      ? runKernels(table || 'avx512', flags.quick)
      : { ceilings: [], kernels: [] }
    loads.push(loadavg()[0] ?? NaN)
    const run: CpuBench = {
      machine: machineFacts(),
      table,
      threads,
      mode: flags.quick ? 'quick' : flags.full ? 'full' : 'default',
      note: `${install === undefined ? 'no peer' : `peer: node-llama-cpp ${peerVersion}`}; load average before and after: ${loads.map((x) => x.toFixed(1)).join(', ')}`,
      settings,
      rows,
      methods,
      ...native,
    }
    console.log(`\n${markdownTables(run)}`)
    if (flags.json !== undefined) {
      mkdirSync(dirname(flags.json), { recursive: true })
      writeFileSync(flags.json, `${JSON.stringify(joinedWithFile(run, flags.json), null, 2)}\n`)
    }
  } finally {
    await probe.dispose()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Rows at 8,192 tokens, each prompt of which takes minutes. */
async function longRows(bench: Bench): Promise<void> {
  const tokens = 8192
  const { prefill } = bench.settings
  const quarter = 'none+kivi:bits=4'
  if (bench.peer) {
    await longPrefillRow(bench, 'prefill 8,192, 4-bit weights', {
      tokens,
      pairs: 3,
      spec: FULL,
      setting: prefill,
    })
    await longPrefillRow(bench, 'prefill 8,192, 4-bit weights and cache', {
      tokens,
      pairs: flags.full ? 3 : 1,
      spec: quarter,
      setting: `Q4_0,on,${flags.threads}`, // its 4-bit cache needs flash attention
    })
  }
  await decodeRows(bench, tokens, [
    ['decode at 8,192, 16-bit cache', FULL],
    ['decode at 8,192, 4-bit cache', quarter],
    ['decode at 8,192, pruned to 1,024 at 4 bit', 'snapkv+kivi:bits=4@1024t'],
  ])
}

function shapeName({ layers, hidden, queryHeads, kvHeads, headDim }: Shape): string {
  return `${layers} layers, ${hidden}, ${queryHeads}/${kvHeads} heads of ${headDim}`
}
