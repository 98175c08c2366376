// Estimates a model, loads it, reads a prompt, and prints estimate and highest resident size: see estimate-model.test.ts.
import { readFileSync } from 'node:fs'
import { estimateModel, loadModel } from '../../../src/index.ts'

const [path = '', count = ''] = process.argv.slice(2)
const tokens = Number(count)
const estimate = await estimateModel(path, { tokens })
await using model = await loadModel(path)
const ids = Int32Array.from({ length: tokens }, (_, i) => (i * 37 + 5) % model.config.vocabSize)
await using context = await model.prefill(ids)
await context.generate({ maxTokens: 4, temperature: 0, stopTokens: [] }).result
const peak = 1024 * Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1])
console.log(
  JSON.stringify({ estimate, peak, weightBytes: model.weightBytes, cache: context.report.bytes.planned }),
)
