// The planner beside exhaustive search: every spec of a grid is judged on the very prompts that judge the planner's recommendation. Prints what both
// found and the gap in points. What is measured is kept (--keep), so a run that was killed goes on.
//
//   node --conditions=@qpkv/source --import tsx integration/src/bench/plan-exhaustive.ts [--model FOLDER] [--budget 64KiB] [--context 1024] [--seed 1] [--questions 8] [--judged 4] [--pruners keydiff,kvzip] [--storages "kivi:bits=4 hadamard:bits=3"] [--keep FILE] [--threads N]
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { loadModel } from '@qpkv/core'
import { registry } from '@qpkv/methods'
import { planCompression } from '@qpkv/planner'
import { modelFolder } from '@qpkv/reference-model'
import { parseSpec, printSpec } from '@qpkv/spec'
import { fitSpecs } from '../../../packages/planner/src/candidates/fit-spec.ts'
import { cutExcerpts } from '../../../packages/planner/src/cases/excerpts.ts'
import { Measurements } from '../../../packages/planner/src/measure/measurements.ts'
import { openMeasured } from '../../../packages/planner/src/measure/open-measured.ts'
import { resolvePlanOptions } from '../../../packages/planner/src/plan-options.ts'
import { SEARCH_CASES } from '../../../packages/planner/src/search/search-axes.ts'

const { values: flags } = parseArgs({
  options: {
    budget: { type: 'string', default: '64KiB' },
    context: { type: 'string', default: '1024' },
    seed: { type: 'string', default: '1' },
    judged: { type: 'string', default: '4' },
    questions: { type: 'string', default: '8' },
    threads: { type: 'string' },
    model: { type: 'string', default: modelFolder },
    pruners: {
      type: 'string',
      default: 'streamingllm,keydiff,expected-attention,kvzip,compactor,l2norm,lagkv,rkv',
    },
    storages: {
      type: 'string',
      default: 'kivi:bits=4 kivi:bits=2 hadamard:bits=4 hadamard:bits=3 turboquant:bits=2',
    },
    keep: { type: 'string' },
  },
})
const texts = flags.pruners
  .split(',')
  .flatMap((prune) => flags.storages.split(' ').map((quantize) => `${prune}+${quantize},recent=8`))
const candidates = texts.map((text) => parseSpec(text))
const file = flags.keep ?? join(mkdtempSync(join(tmpdir(), 'qpkv-exhaustive-')), 'measured.jsonl')

const model = await loadModel(flags.model, {
  methods: registry,
  ...(flags.threads !== undefined && { threads: Number(flags.threads) }),
})
const options = resolvePlanOptions(model, {
  budget: flags.budget,
  context: Number(flags.context),
  judged: Number(flags.judged),
  questions: Number(flags.questions),
  seed: Number(flags.seed),
  minutes: 10_000,
  registry,
  candidates,
  keep: { file },
  onProgress: ({ stage, specs }) => {
    console.error(`${stage}, ${specs} specs`)
  },
})
const { budget, context, measure, questions, protocols, judged } = options
const begin = performance.now()
const planning = await planCompression(model, options)
const searched = performance.now()

const kept = await openMeasured(model, options, { file })
const measurements = new Measurements(model, model.tokenizer!, {
  protocols,
  questions,
  excerpts: cutExcerpts(model.tokenizer!, {
    ...options,
    tokens: measure,
    counts: [SEARCH_CASES, judged],
  }).flat(),
  scale: measure / context,
  file: kept,
})
const grid = fitSpecs(candidates, { registry, facts: model.facts, context, budget })
const excerpts = Array.from({ length: judged }, (_, i) => SEARCH_CASES + i)
for (const at of excerpts) {
  console.error(`exhaustive, prompt ${at - SEARCH_CASES + 1} of ${judged}`)
  await measurements.measure(grid, at, { signal: options.signal, late: () => false })
}
kept.close()
const all = grid
  .flatMap((candidate) => {
    const quality = measurements.quality(candidate, excerpts)
    return quality ? [{ candidate, quality }] : []
  })
  .sort((a, b) => b.quality.points - a.quality.points)
const [best] = all
const { spec, quality } = planning.recommended
const percent = (part: number) => `${(100 * part).toFixed(1)} %`
const seconds = (from: number, to: number) => `${((to - from) / 1000).toFixed(0)} s`
console.log(
  `${grid.length} of ${texts.length} specs fit; ${quality.answers} answers about ${planning.judgedOn.prompts} prompts judge, by ${planning.points}; seed ${flags.seed}`,
)
const line = (who: string, { points, low, high }: typeof quality, text: string, time: string) => {
  console.log(`${who} ${percent(points)} (${percent(low)} to ${percent(high)})  ${text}  (${time})`)
}
line('planner   ', quality, printSpec(spec), seconds(begin, searched))
if (best)
  line('exhaustive', best.quality, printSpec(best.candidate.spec), seconds(searched, performance.now()))
console.log(`gap         ${(100 * ((best?.quality.points ?? NaN) - quality.points)).toFixed(1)} points`)
console.log(`worst of the grid ${percent(all.at(-1)?.quality.points ?? NaN)}`)
await model.dispose()
