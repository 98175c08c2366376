// Plays prompts through node-llama-cpp where it is installed, one per line: node llama-cpp-player.mjs FILE.gguf THREADS < requests > replies
// Requests and replies as in transformers_player.py; a setting is { kv: 'f16' | 'q8_0' | 'q4_0', flashAttention }. "full" is f16.
import { createInterface } from 'node:readline'
import { getLlama, LlamaLogLevel } from 'node-llama-cpp'

const VALUE_BYTES = { f16: 2, q8_0: 34 / 32, q4_0: 18 / 32 }
const [file, threads] = process.argv.slice(2)
const llama = await getLlama({
  gpu: false,
  build: 'never',
  skipDownload: true,
  logLevel: LlamaLogLevel.error,
  maxThreads: Number(threads),
})
const model = await llama.loadModel({ modelPath: file })
const { block_count: layers, attention, embedding_length: hidden } = model.fileInfo.metadata.llama
const valuesPerToken = 2 * layers * attention.head_count_kv * (hidden / attention.head_count)

/** Probabilities after each of the tokens, rows of [vocab]. */
async function distributions(sequence, ids) {
  const items = ids.map((id) => [id, { generateNext: { probabilities: true } }])
  const results = await sequence.controlledEvaluate(items)
  return results.map((result) => {
    const row = new Float32Array(model.fileInfo.metadata.tokenizer.ggml.tokens.length)
    for (const [id, probability] of result.next.probabilities) row[id] = probability
    return row
  })
}

const likeliest = (row) => row.reduce((best, value, id) => (value > row[best] ? id : best), 0)

function divergence(exact, own) {
  let [kl, top1] = [0, 0]
  for (const [i, p] of exact.entries()) {
    const q = own[i]
    for (const [id, chance] of p.entries())
      if (chance > 0) kl += chance * Math.log(chance / Math.max(q[id], 1e-12))
    if (likeliest(p) === likeliest(q)) top1++
  }
  return { kl: Math.max(0, kl / exact.length), top1: top1 / exact.length }
}

async function play({ ids, question, answerTokens }, { kv, flashAttention }, full) {
  const context = await model.createContext({
    contextSize: ids.length + question.length + answerTokens + 8,
    batchSize: 512,
    threads: Number(threads),
    flashAttention,
    experimentalKvCacheKeyType: kv.toUpperCase(),
    experimentalKvCacheValueType: kv.toUpperCase(),
  })
  try {
    const sequence = context.getSequence()
    const began = performance.now()
    await sequence.evaluateWithoutGeneratingNewTokens(ids)
    const answer = []
    let first = 0
    for await (const token of sequence.evaluate(question, { temperature: 0 })) {
      answer.push(token)
      if (answer.length === 1) first = performance.now()
      if (answer.length === answerTokens) break
    }
    const done = performance.now()
    await sequence.eraseContextTokenRanges([{ start: ids.length, end: sequence.nextTokenIndex }])
    const told = [...question, ...(full?.answer ?? answer).slice(0, -1)]
    const rows = (await distributions(sequence, told)).slice(question.length - 1)
    const row = {
      answer,
      bytes: Math.round(ids.length * valuesPerToken * VALUE_BYTES[kv]),
      prefillMs: first - began,
      tokenMs: (done - first) / (answer.length - 1),
      ...(full ? divergence(full.rows, rows) : { kl: 0, top1: 1 }),
    }
    return { row, rows }
  } finally {
    await context.dispose()
  }
}

const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`)
say({ versions: { 'node-llama-cpp': process.env.PEER_VERSION ?? 'unknown' } })
for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line)
  const { row, rows } = await play(request, { kv: 'f16', flashAttention: false })
  const played = { full: row }
  for (const [name, setting] of Object.entries(request.settings))
    ({ row: played[name] } = await play(request, setting, { answer: row.answer, rows }))
  const peakBytes = process.resourceUsage().maxRSS * 1024
  say({ rows: played, fullBytes: row.bytes, peakBytes })
}
process.exit()
