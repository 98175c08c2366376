// What a method adds to prefill: CPU time of the prefill of one prompt under it over that under `none+none`, in turns, so
// that what else the machine does falls on both. One thread; CPU time of the process, not the clock. Prints a Markdown table.
//
//   node --conditions=@qpkv/source --import tsx integration/src/bench/prefill-cost.ts [--tokens 4096] [--rounds 5] [--specs TEXT]…
import { parseArgs } from 'node:util'
import { loadModel } from '@qpkv/core'
import { registry } from '@qpkv/methods'
import { modelFolder } from '@qpkv/reference-model'
import { median, randomIds } from './measure.ts'

const { values: flags } = parseArgs({
  options: {
    tokens: { type: 'string', default: '4096' },
    rounds: { type: 'string', default: '5' },
    specs: { type: 'string', multiple: true },
  },
})
const budget = '@512t'
const specs = flags.specs ?? [
  'none+none',
  ...[
    'snapkv',
    'tova',
    'h2o',
    'keydiff',
    'l2norm',
    'lagkv',
    'dropkv',
    'vatp',
    'chunkkv',
    'criticalkv',
    'cake',
  ].map((prune) => `${prune}+none${budget}`),
  ...['expected-attention', 'compactor', 'rkv', 'random', 'streamingllm'].map(
    (prune) => `${prune}+none${budget}`,
  ),
  `snapkv~layer-preference+none${budget}`,
  `snapkv~rate-distortion+none${budget}`,
  `kvzip+none${budget}`,
  `kvzip:plus=true+none${budget}`,
  `kvzip~rate-distortion+turboquant:bits=2@2%B#tiers=4,3,2`,
  ...['int8', 'kivi', 'kvquant', 'hadamard', 'turboquant', 'kvarn'].map((quantize) => `none+${quantize}`),
]

const model = await loadModel(modelFolder, { methods: registry, threads: 1 })
const ids = randomIds(Number(flags.tokens), 3000)
const rounds = Number(flags.rounds)

async function cpuMs(compression: string): Promise<number> {
  const before = process.cpuUsage()
  const context = await model.prefill(ids, { compression, onWarning: () => {} })
  const { user, system } = process.cpuUsage(before)
  await context.dispose()
  return (user + system) / 1000
}

console.log(`${ids.length} tokens, ${rounds} rounds\n`)
console.log('| spec | CPU time over that of none, median | least to most |')
console.log('| --- | --- | --- |')
for (const spec of specs) {
  await cpuMs(spec) // buffers exist then
  const ratios: number[] = []
  for (let round = 0; round < rounds; round++) {
    const [first, second] = round % 2 === 0 ? ['none+none', spec] : [spec, 'none+none']
    const times = [await cpuMs(first), await cpuMs(second)] as const
    ratios.push(round % 2 === 0 ? times[1] / times[0] : times[0] / times[1])
  }
  const at = (ratio: number) => ratio.toFixed(2)
  console.log(
    `| \`${spec}\` | ${at(median(ratios))} | ${at(Math.min(...ratios))} to ${at(Math.max(...ratios))} |`,
  )
}
await model.dispose()
