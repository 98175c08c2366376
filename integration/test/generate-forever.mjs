// A worker thread that generates until it is ended. Plain JavaScript, since worker threads do not inherit a TypeScript loader.
import { parentPort, workerData } from 'node:worker_threads'
import { register } from 'tsx/esm/api'

register()
const { loadModel } = await import('@qpkv/core')
const { modelFolder } = await import('@qpkv/reference-model')
const { kivi } = await import('@qpkv/quantizer-kivi')

const model = await loadModel(modelFolder, { threads: 2 })
const prompt = Array.from({ length: workerData.tokens }, (_, i) => 20 + ((i * 7919) % 3600))
for (;;) {
  const context = await model.prefill(prompt, { compression: { quantize: kivi({ bits: 4 }) } })
  const run = context.generate({ maxTokens: 1000, stopTokens: [] })
  for await (const piece of run) parentPort?.postMessage(piece.token, [])
  await context.dispose()
}
