// Decode attention over one layer's cache of equal bytes in several forms: tiers, heads of different lengths, rotated and centred keys, each
// beside the plain form. All forms in turn, the plain one twice (A/A); a form's ratio is that of medians, with a 95 % interval over paired
// rounds. CPU time of the process, not the clock, so that what else the machine does counts little. Prints a Markdown table.
//
//   node --conditions=@qpkv/source --import tsx integration/src/bench/decode-forms.ts [--mib 8] [--rounds 31] [--threads 1] [--table NAME]
import { parseArgs } from 'node:util'
import { probeAddon, type ProbeEngine } from '../../../packages/core/test/support/probe.ts'
import { registry } from '@qpkv/methods'
import { parseSpec, resolve, type CompressionSpec } from '@qpkv/spec'
import { holdsOne, ratioInterval, runRounds, type Interval } from '../bench-cpu/paired.ts'
import { median } from './measure.ts'

const { values: flags } = parseArgs({
  options: {
    mib: { type: 'string', default: '8' },
    rounds: { type: 'string', default: '31' },
    threads: { type: 'string', default: '1' },
    table: { type: 'string' },
  },
})
const facts = { layers: 1, queryHeads: 32, kvHeads: 8, headDim: 128 }
const bytes = Number(flags.mib) * 2 ** 20
/** Passes over the cache that one value times. */
const PASSES = 6
/** More than any form holds, so that bytes and not the prompt are what ends. */
const PROMPT = Math.ceil((8 * bytes) / (2 * facts.kvHeads * facts.headDim * 2))

/** A form, and the plain one that it is compared with. */
interface Form {
  readonly name: string
  readonly spec: string
  readonly plain: string
  /** Tokens of the heads relative to their mean. */
  readonly lengths?: readonly number[]
}
const plain = (bits: number) => `kivi, ${bits} bit`
const forms: readonly Form[] = [
  ...[4, 2, 8].map((bits) => ({ name: plain(bits), spec: `random+kivi:bits=${bits}`, plain: plain(bits) })),
  { name: 'kivi, 4 bit again', spec: 'random+kivi:bits=4', plain: plain(4) },
  {
    name: 'heads of a quarter to seven quarters of the mean',
    spec: 'random+kivi:bits=4',
    plain: plain(4),
    lengths: [0.25, 0.5, 0.75, 0.9, 1.1, 1.25, 1.5, 1.75],
  },
  { name: 'tiers 8:0.1, 4:0.3, 2', spec: 'random+kivi#tiers=8:0.1,4:0.3,2', plain: plain(4) },
  { name: 'tiers 4:0.25, 2', spec: 'random+kivi#tiers=4:0.25,2', plain: plain(2) },
  { name: 'hadamard, 4 bit', spec: 'random+hadamard:bits=4', plain: plain(4) },
  { name: 'turboquant, 4 bit', spec: 'random+turboquant:bits=4', plain: plain(4) },
  { name: 'turboquant, 2 bit', spec: 'random+turboquant:bits=2', plain: plain(2) },
  { name: 'kvarn, K4 V2', spec: 'random+kvarn', plain: plain(4) },
]

const addon = probeAddon()
const engine = addon.createEngine({
  threads: Number(flags.threads),
  ...(flags.table !== undefined && { table: flags.table }),
})
let state = 7
const random = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 31 - 1
const numbers = (count: number) => Float32Array.from({ length: count }, random)

const { queryHeads, kvHeads, headDim } = facts
const q = new Float32Array(PROMPT * queryHeads * headDim)
const [k, v] = [numbers(kvHeads * PROMPT * headDim), numbers(kvHeads * PROMPT * headDim)]
const query = numbers(queryHeads * headDim)

interface Stored {
  readonly form: Form
  readonly cache: Awaited<ReturnType<ProbeEngine['createLayerCache']>>
  readonly bytes: number
  readonly tokens: number
}

async function store(form: Form): Promise<Stored> {
  const given = parseSpec(form.spec)
  const planOf = (spec: CompressionSpec) => resolve(spec, registry, facts, { tokens: PROMPT }).plan.layers[0]!
  const even = planOf({ ...given, budget: { bytes } })
  const mean = even.tokens.perHead as number
  const plan = form.lengths
    ? planOf({
        ...given,
        layers: [{ from: 0, to: 1, tokens: form.lengths.map((length) => Math.floor(length * mean)) }],
      })
    : even
  const cache = await engine.createLayerCache({
    ...facts,
    tokens: PROMPT,
    heads: 'kv',
    precision: 'bf16',
    q,
    k,
    v,
    plan,
  })
  return { form, cache, bytes: cache.bytes().planned, tokens: mean }
}

const stored: Stored[] = []
for (const form of forms) stored.push(await store(form))
const lanes = stored.map(({ form, cache }) => ({
  name: form.name,
  measure: async () => {
    const before = process.cpuUsage()
    for (let i = 0; i < PASSES; i++) await cache.attend(query)
    const { user, system } = process.cpuUsage(before)
    return (user + system) / 1000 / PASSES
  },
}))
const rounds = Number(flags.rounds)
const { values } = await runRounds(lanes, {
  least: rounds,
  most: rounds,
  same: [plain(4), 'kivi, 4 bit again'],
  width: 0,
  good: () => Promise.resolve(true),
})

const text = ({ low, high }: Interval) => `${low.toFixed(2)} to ${high.toFixed(2)}`
const same = ratioInterval(values.get('kivi, 4 bit again')!, values.get(plain(4))!)
console.log(
  `${engine.table}, ${flags.threads} threads, ${queryHeads} query heads, ${kvHeads} KV heads of ${headDim} channels, ${rounds} rounds; A/A ${text(same)}${holdsOne(same) ? '' : ': not equal, so nothing here is measured'}\n`,
)
console.log(
  '| form | MiB | tokens per head | CPU ms | beside | time over it at equal bytes (95 %) | per token |',
)
console.log('| --- | --- | --- | --- | --- | --- | --- |')
const tokensOf = (name: string) => stored.find(({ form }) => form.name === name)!.tokens
const bytesOf = (name: string) => stored.find(({ form }) => form.name === name)!.bytes
for (const { form, bytes: own, tokens } of stored) {
  // What differs in bytes, by blocks, is taken out.
  const scale = bytesOf(form.plain) / own
  const times = values.get(form.name)!
  const [mine, theirs] = [times.map((ms) => ms * scale), values.get(form.plain)!]
  const itself = form.plain === form.name
  const ratio = median(mine) / median(theirs)
  const cells = [
    form.name,
    (own / 2 ** 20).toFixed(2),
    tokens,
    median(times).toFixed(2),
    itself ? '' : form.plain,
    itself ? '' : `${ratio.toFixed(2)} (${text(ratioInterval(mine, theirs))})`,
    itself ? '' : ((ratio * tokensOf(form.plain)) / tokens).toFixed(2),
  ]
  console.log(`| ${cells.join(' | ')} |`)
}
for (const { cache } of stored) cache.dispose()
engine.dispose()
