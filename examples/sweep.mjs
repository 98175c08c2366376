// A small sweep from code: quality against real bytes. One prefill per text serves all specs.
import { loadModel } from '@qpkv/core'
import { registry } from '@qpkv/methods'
import { modelFolder, needleCases } from '@qpkv/reference-model'

const specs = [
  'none+none',
  'snapkv:window=16+none@64KiB',
  'snapkv:window=16+kivi:bits=4,recent=8@64KiB',
  'snapkv:window=16+kivi:bits=2,recent=8@64KiB',
]
const model = await loadModel(modelFolder, { methods: registry })
const countTokens = (text) => model.tokenizer.encode(text, { special: false }).length
const samples = needleCases({
  seed: 3,
  tokens: 1024,
  keys: 8,
  samples: 10,
  questionsPerText: 1,
  protocol: 'query-aware',
  countTokens,
})
const right = specs.map(() => 0)
const bytes = specs.map(() => 0)
for (const { prompt, questions } of samples) {
  const contexts = await model.prefill(prompt, { compression: specs })
  for (const [index, context] of contexts.entries()) {
    const reply = await context.generate({ maxTokens: 14, temperature: 0 }).result
    if (reply.text.startsWith(` ${questions[0].answer}.`)) right[index]++
    bytes[index] = context.bytes
    await context.dispose()
  }
}
for (const [index, spec] of specs.entries())
  console.log(
    `${spec.padEnd(48)} ${(bytes[index] / 1024).toFixed(0).padStart(6)} KiB   ${right[index]} of ${samples.length} right`,
  )
await model.dispose()
