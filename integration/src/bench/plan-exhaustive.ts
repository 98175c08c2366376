// The planner beside exhaustive search: forty specs, each judged alone on the very prompts that judge the planner's recommendation, on the
// bundled model with answers and on it with other texts (--seed). Prints what both found and the gap in points.
//
//   node --conditions=@qpkv/source --import tsx integration/src/bench/plan-exhaustive.ts [--budget 64KiB] [--context 1024] [--seed 1] [--judged 4] [--threads N] [--model FOLDER]
import { parseArgs } from 'node:util'
import { loadModel } from '@qpkv/core'
import { registry } from '@qpkv/methods'
import { planCompression, type PlanOptions } from '@qpkv/planner'
import { modelFolder } from '@qpkv/reference-model'
import { KvError, parseSpec, printSpec } from '@qpkv/spec'

const { values: flags } = parseArgs({
  options: {
    budget: { type: 'string', default: '64KiB' },
    context: { type: 'string', default: '1024' },
    seed: { type: 'string', default: '1' },
    judged: { type: 'string', default: '4' },
    questions: { type: 'string', default: '8' },
    threads: { type: 'string' },
    model: { type: 'string', default: modelFolder },
  },
})
const pruners = [
  'streamingllm',
  'keydiff',
  'expected-attention',
  'kvzip',
  'compactor',
  'l2norm',
  'lagkv',
  'rkv',
]
const storages = ['kivi:bits=4', 'kivi:bits=2', 'hadamard:bits=4', 'hadamard:bits=3', 'turboquant:bits=2']
const texts = pruners.flatMap((prune) => storages.map((quantize) => `${prune}+${quantize},recent=8`))

const model = await loadModel(flags.model, {
  methods: registry,
  ...(flags.threads !== undefined && { threads: Number(flags.threads) }),
})
const options: PlanOptions = {
  budget: flags.budget,
  context: Number(flags.context),
  judged: Number(flags.judged),
  questions: Number(flags.questions),
  seed: Number(flags.seed),
  registry,
}
const begin = performance.now()
const planning = await planCompression(model, {
  ...options,
  candidates: texts.map((text) => parseSpec(text)),
})
const searched = performance.now()
let best = { text: '', points: -1 }
for (const text of texts) {
  try {
    const { recommended } = await planCompression(model, { ...options, candidates: [parseSpec(text)] })
    if (recommended.quality.points > best.points) best = { text, points: recommended.quality.points }
  } catch (cause) {
    if (!KvError.isInstance(cause) || cause.code !== 'KV_BUDGET_TOO_SMALL') throw cause
  }
}
const { spec, quality } = planning.recommended
const percent = (part: number) => `${(100 * part).toFixed(1)} %`
console.log(
  `${texts.length} specs, ${quality.answers} answers judge, by ${planning.points}; seed ${flags.seed}`,
)
console.log(
  `planner     ${percent(quality.points)}  ${printSpec(spec)}  (${((searched - begin) / 1000).toFixed(0)} s)`,
)
console.log(
  `exhaustive  ${percent(best.points)}  ${best.text}  (${((performance.now() - searched) / 1000).toFixed(0)} s)`,
)
console.log(`gap         ${(100 * (best.points - quality.points)).toFixed(1)} points`)
await model.dispose()
