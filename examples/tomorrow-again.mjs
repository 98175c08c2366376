// One document, many questions, tomorrow again: the document is read and compressed once, saved, and opened by a later process, which
// answers without reading a word of it. `node tomorrow-again.mjs FILE` keeps the file; run it twice.
import { existsSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadModel } from '@qpkv/core'
import { keydiff } from '@qpkv/pruner-keydiff'
import { kivi } from '@qpkv/quantizer-kivi'
import { modelFolder, needleCases } from '@qpkv/reference-model'

const [file = join(tmpdir(), `document-${process.pid}.context`)] = process.argv.slice(2)
const kept = process.argv.length > 2

/** A document of 1024 tokens with facts in it, and questions about them. */
const documentFor = (model) =>
  needleCases({
    seed: 7,
    tokens: 1024,
    keys: 8,
    samples: 1,
    questionsPerText: 4,
    protocol: 'query-agnostic',
    countTokens: (text) => model.tokenizer.encode(text, { special: false }).length,
  })[0]

/** Reads, compresses and saves the document. The pruner must not know the questions: keydiff looks at the keys only. */
async function today() {
  const model = await loadModel(modelFolder)
  const context = await model.prefill(documentFor(model).prompt, {
    compression: {
      budget: { bytes: '256KiB' },
      prune: keydiff({ last: 8 }),
      quantize: kivi({ bits: 4, recent: 8 }),
    },
  })
  await context.save(file)
  console.log(`saved ${context.tokens} tokens in ${(statSync(file).size / 1024).toFixed(0)} KiB`)
  await context.dispose()
  await model.dispose()
}

/** Another process: it needs the model and the file, not the document. */
async function tomorrow() {
  const model = await loadModel(modelFolder)
  const context = await model.open(file)
  for (const { text: question, answer } of documentFor(model).questions) {
    const fork = context.fork() // the next question finds the document as it was
    await fork.append(question)
    const reply = await fork.generate({ maxTokens: 14, temperature: 0 }).result
    console.log(`${question.trim()}${reply.text}   (expected ${answer})`)
    await fork.dispose()
  }
  console.log(`prompt tokens read: ${model.stats().tokens.prompt}`)
  await context.dispose()
  await model.dispose()
}

if (!existsSync(file)) await today()
await tomorrow()
if (!kept) rmSync(file)
