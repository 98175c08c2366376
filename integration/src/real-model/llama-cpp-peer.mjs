// Runs where node-llama-cpp is installed: what it makes of a GGUF file.
// node llama-cpp-peer.mjs FILE.gguf ANSWER.json < { texts, prose, vocab }: tokens of the texts, and the probabilities of
// the next token after every position of the prose, in one batch and token by token.
import { writeFileSync } from 'node:fs'
import { getLlama, LlamaLogLevel } from 'node-llama-cpp'

const input = JSON.parse(await new Response(process.stdin).text())
const llama = await getLlama({
  gpu: false,
  build: 'never',
  skipDownload: true,
  logLevel: LlamaLogLevel.error,
})
const model = await llama.loadModel({ modelPath: process.argv[2] })
const ids = [...model.tokenize(input.prose, true)]

/** Probabilities [positions][vocab] with this many tokens a batch. */
async function distributions(batchSize) {
  const context = await model.createContext({ contextSize: 1024, batchSize, threads: 2 })
  const sequence = context.getSequence()
  const items = ids.map((id) => [id, { generateNext: { probabilities: true } }])
  const results = await sequence.controlledEvaluate(items)
  const rows = results.map((result) => {
    const row = Array.from({ length: input.vocab }, () => 0)
    for (const [id, probability] of result.next.probabilities) row[id] = probability
    return row.map((value) => Number(value.toPrecision(6)))
  })
  await context.dispose()
  return rows
}

writeFileSync(
  process.argv[3],
  JSON.stringify({
    tokens: input.texts.map((text) => [...model.tokenize(text, true)]),
    ids,
    batch: await distributions(512),
    single: await distributions(1),
  }),
)
process.exit()
