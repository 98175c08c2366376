// Holds a backend's library to the CPU with whole models: MODEL FOLDERS. In float32 tokens and bytes must be equal; in bf16-fast, where
// products go through tensor cores, it says how many of the greedy tokens agree. One JSON line per model, precision and spec.
import { backendDevices, loadModel, type BackendDevice, type Model } from '@qpkv/core'
import { registry } from '@qpkv/methods'

const library = process.env['QPKV_CUDA_LIBRARY'] ?? ''
const question =
  'The bridge of Orme was painted green. Kay keeps nine hens behind the mill. It rained in Tarn. '.repeat(4) +
  'The password of Ada of Selby is calm-moon. What is the password of Ada of Selby?'
const specs = [
  'none+none',
  'snapkv+kivi:bits=4@60%',
  'h2o+none@40%',
  'keydiff+kvquant:bits=3@50%',
  'streamingllm+kivi:bits=2@60%',
]

async function answer(model: Model, spec: string) {
  const context = await model.prefill(question, { compression: spec })
  const { text, tokens } = await context.generate({ maxTokens: 24 }).result
  const bytes = context.report.bytes
  await context.dispose()
  return { text, tokens: [...tokens], bytes }
}

let failed = false
const device = backendDevices(library)[0] as BackendDevice
for (const folder of process.argv.slice(2))
  for (const precision of ['f32', 'bf16-fast'] as const) {
    const open = (on: 'cpu' | BackendDevice) =>
      loadModel(folder, { device: on, precision, methods: registry })
    const models = [await open('cpu'), await open(device)]
    for (const spec of specs) {
      const began = Date.now()
      const [cpu, cuda] = [await answer(models[0]!, spec), await answer(models[1]!, spec)]
      const same = cpu.tokens.filter((token, i) => token === cuda.tokens[i]).length
      const equal = same === cpu.tokens.length && JSON.stringify(cpu.bytes) === JSON.stringify(cuda.bytes)
      if (precision === 'f32' && !equal) failed = true
      const agreement = same / Math.max(cpu.tokens.length, 1)
      const seconds = (Date.now() - began) / 1000
      console.log(
        JSON.stringify({ model: folder, precision, spec, equal, agreement, text: cuda.text, seconds }),
      )
    }
    for (const model of models) await model.dispose()
  }
process.exit(failed ? 1 : 0)
