// One document, compressed once, many questions. The pruner must not know the question: keydiff looks at the keys only.
import { loadModel } from '@qpkv/core'
import { keydiff } from '@qpkv/pruner-keydiff'
import { kivi } from '@qpkv/quantizer-kivi'
import { modelFolder, needleCases } from '@qpkv/reference-model'

const model = await loadModel(modelFolder)
const countTokens = (text) => model.tokenizer.encode(text, { special: false }).length
const [sample] = needleCases({
  seed: 7,
  tokens: 1024,
  keys: 8,
  samples: 1,
  questionsPerText: 4,
  protocol: 'query-agnostic',
  countTokens,
})

const context = await model.prefill(sample.prompt, {
  compression: {
    budget: { bytes: '256KiB' },
    prune: keydiff({ last: 8 }),
    quantize: kivi({ bits: 4, recent: 8 }),
  },
})
for (const { text: question, answer } of sample.questions) {
  const fork = context.fork() // shares all full tiles; the document stays as it is
  await fork.append(question)
  const reply = await fork.generate({ maxTokens: 14, temperature: 0 }).result
  console.log(`${question.trim()}${reply.text}   (expected ${answer})`)
  await fork.dispose()
}
console.log(`cache: ${(context.bytes / 1024).toFixed(0)} KiB for ${context.tokens} tokens`)
await context.dispose()
await model.dispose()
