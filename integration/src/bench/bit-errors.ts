// Two ways to choose the bits of layers, beside one width for all at equal bytes: by what a tensor's codes do to the next token (KL, as `qpkv tune-bits`
// does), and by what they do to the layer's own attention (relative error of its output, as KVTuner does; through the engine's cache and decode attention,
// with queries, keys and values of the bundled model in float64). Judged on held-out text by KL, text by text. Prints a Markdown table.
//
//   node --conditions=@qpkv/source --import tsx integration/src/bench/bit-errors.ts [--quantize kivi] [--bits 3] [--calibrated 8] [--judged 40] [--seed 1] [--threads 1]
import { parseArgs } from 'node:util'
import { stratifiedMean } from '@qpkv/bench-kit'
import { loadModel } from '@qpkv/core'
import { registry } from '@qpkv/methods'
import { modelFolder, sentence, WorldRandom } from '@qpkv/reference-model'
import { parseMethodText, printSpec, resolve } from '@qpkv/spec'
import { probeAddon } from '../../../packages/core/test/support/probe.ts'
import { meanKl, textOutcomes } from '../../../packages/planner/src/tune/text-divergence.ts'
import {
  chosenSpec,
  everywhere,
  excerptsOf,
  layerErrors,
  TENSORS,
  type LayerError,
} from '../../../packages/planner/src/tune/layer-errors.ts'
import { specOfBits } from '../../../packages/planner/src/tune/layer-bits.ts'
import { resolveTuneOptions } from '../../../packages/planner/src/tune/tune-options.ts'
import { ReferenceLayers } from './reference-layers.ts'

const { values: flags } = parseArgs({
  options: {
    quantize: { type: 'string', default: 'kivi' },
    bits: { type: 'string', default: '3' },
    calibrated: { type: 'string', default: '8' },
    judged: { type: 'string', default: '40' },
    seed: { type: 'string', default: '1' },
    threads: { type: 'string', default: '1' },
  },
})
/** Tokens of a prompt, and of those behind it whose queries look at it. */
const [MEASURE, QUERIES] = [512, 32]

const model = await loadModel(modelFolder, { methods: registry, threads: Number(flags.threads) })
const random = new WorldRandom(`bit-errors/${flags.seed}`)
const sentences = (Number(flags.calibrated) + Number(flags.judged)) * 90
const options = resolveTuneOptions(model, {
  text: Array.from({ length: sentences }, () => ` ${sentence(random)}`).join(''),
  quantize: parseMethodText(flags.quantize),
  registry,
  bits: Number(flags.bits) as 8 | 4 | 3 | 2,
  measure: MEASURE,
  calibrated: Number(flags.calibrated),
  judged: Number(flags.judged),
})
const { calibration, judging } = excerptsOf(model.tokenizer!, options)
const { signal } = new AbortController()

/** Mean over texts, queries and heads of |o' - o| / |o|, o being the output of attention over the exact cache. */
async function attentionErrors(): Promise<LayerError[]> {
  const { layers, queryHeads, kvHeads, headDim } = model.facts
  const engine = probeAddon().createEngine({ threads: Number(flags.threads) })
  const facts = { layers, queryHeads, kvHeads, headDim }
  const reference = new ReferenceLayers(modelFolder)
  const sums = new Map<string, { sum: number; count: number }>()
  const trials = Array.from({ length: layers }, (_, layer) =>
    TENSORS.flatMap((tensor) => options.widths.map((bits) => ({ layer, tensor, bits }))),
  ).flat()
  for (const { ids, tokens } of calibration) {
    const prompt = [...model.tokenizer!.encode(''), ...ids.subarray(0, tokens)]
    const rows = reference.run([...prompt, ...ids.subarray(tokens, tokens + QUERIES)])
    for (const [layer, { q, k, v }] of rows.entries()) {
      const outputs = async (keyBits: 16 | 8 | 4 | 3 | 2, valueBits: 16 | 8 | 4 | 3 | 2) => {
        const spec = specOfBits(options.quantize, everywhere(model, { keyBits, valueBits }))
        const plan = resolve(spec, registry, facts, { tokens: prompt.length }).plan.layers[layer]!
        const cache = await engine.createLayerCache({
          queryHeads,
          kvHeads,
          headDim,
          tokens: prompt.length,
          heads: 'kv',
          precision: 'bf16',
          plan,
          q: q.slice(0, prompt.length * queryHeads * headDim),
          // [kvHeads, tokens, headDim]
          k: headsFirst(k, prompt.length, kvHeads, headDim),
          v: headsFirst(v, prompt.length, kvHeads, headDim),
        })
        const each: Float32Array[] = []
        for (let i = 0; i < QUERIES; i++) {
          const at = (prompt.length + i) * queryHeads * headDim
          each.push((await cache.attend(q.slice(at, at + queryHeads * headDim))).slice())
        }
        cache.dispose()
        return each
      }
      const exact = await outputs(16, 16)
      for (const { tensor, bits } of trials.filter((trial) => trial.layer === layer)) {
        const coded = await outputs(tensor === 'key' ? bits : 16, tensor === 'value' ? bits : 16)
        const key = `${layer}/${tensor}/${bits}`
        const one = sums.get(key) ?? { sum: 0, count: 0 }
        for (const [i, output] of coded.entries())
          for (let head = 0; head < queryHeads; head++) {
            const part = (of: Float32Array) => of.subarray(head * headDim, (head + 1) * headDim)
            one.sum += distance(part(output), part(exact[i]!)) / distance(part(exact[i]!))
            one.count++
          }
        sums.set(key, one)
      }
    }
  }
  engine.dispose()
  return trials.map((trial) => {
    const { sum, count } = sums.get(`${trial.layer}/${trial.tensor}/${trial.bits}`)!
    return { ...trial, error: sum / count }
  })
}

/** [tokens, heads, headDim] -> [heads, tokens, headDim] of the first tokens. */
function headsFirst(rows: Float32Array, tokens: number, heads: number, headDim: number): Float32Array {
  const out = new Float32Array(heads * tokens * headDim)
  for (let t = 0; t < tokens; t++)
    for (let h = 0; h < heads; h++)
      out.set(
        rows.subarray((t * heads + h) * headDim, (t * heads + h + 1) * headDim),
        (h * tokens + t) * headDim,
      )
  return out
}

const distance = (a: Float32Array, b?: Float32Array): number =>
  Math.sqrt(a.reduce((sum, x, i) => sum + (x - (b?.[i] ?? 0)) ** 2, 0))

const uniform = specOfBits(
  options.quantize,
  everywhere(model, { keyBits: options.bits, valueBits: options.bits }),
)
const budget = resolve(uniform, registry, model.facts, { tokens: MEASURE }).bytes
const byKl = await layerErrors(model, model.tokenizer!, options, calibration, signal)
const byAttention = await attentionErrors()
const rows = [
  { name: 'KL of the next token', spec: chosenSpec(model, options, byKl, budget) },
  { name: 'error of attention', spec: chosenSpec(model, options, byAttention, budget) },
  { name: 'one width', spec: uniform },
]
const outcomes = await textOutcomes(
  model,
  model.tokenizer!,
  rows.map(({ spec }) => spec),
  judging,
  signal,
)
const difference = (a: number, b: number) => {
  const { mean, low, high } = stratifiedMean([outcomes[a]!.map(({ kl }, i) => kl - outcomes[b]![i]!.kl)])
  return `${mean.toExponential(1)} (${low.toExponential(1)} to ${high.toExponential(1)})`
}
console.log(
  `${flags.quantize} in the bytes of ${flags.bits} bit, seed ${flags.seed}: ${calibration.length} texts of ${MEASURE} tokens to choose by, ${judging.length} to judge\n`,
)
console.log('| chosen by | KL nats | minus one width (95 %) | minus by KL (95 %) | spec |')
console.log('| --- | --- | --- | --- | --- |')
for (const [i, { name, spec }] of rows.entries())
  console.log(
    `| ${name} | ${meanKl(outcomes[i]!).toExponential(2)} | ${i === 2 ? '' : difference(i, 2)} | ${i === 1 ? difference(1, 0) : ''} | \`${printSpec(spec)}\` |`,
  )
console.log(
  '\n| layer | tensor | bits | KL nats | relative error of attention |\n| --- | --- | --- | --- | --- |',
)
for (const [i, { layer, tensor, bits, error }] of byKl.entries())
  console.log(
    `| ${layer} | ${tensor} | ${bits} | ${error.toExponential(1)} | ${byAttention[i]!.error.toFixed(4)} |`,
  )
await model.dispose()
