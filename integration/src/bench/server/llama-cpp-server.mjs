// Runs where node-llama-cpp is installed: a server as small as can be, one sequence per request at work, tokens as server-sent events.
// node llama-cpp-server.mjs FILE.gguf SEQUENCES THREADS CONTEXT_TOKENS
import { createServer } from 'node:http'
import { getLlama, LlamaLogLevel } from 'node-llama-cpp'

const [modelPath, sequences, threads, contextSize] = process.argv.slice(2)
const llama = await getLlama({
  gpu: false,
  build: 'never',
  skipDownload: true,
  logLevel: LlamaLogLevel.error,
})
const model = await llama.loadModel({ modelPath })
const context = await model.createContext({
  sequences: Number(sequences),
  threads: Number(threads),
  contextSize: Number(contextSize),
  batchSize: 512,
})
const free = Array.from({ length: Number(sequences) }, () => context.getSequence())
const waiting = []
const take = () => free.pop() ?? new Promise((resolve) => waiting.push(resolve))
const give = (sequence) => {
  const next = waiting.shift()
  if (next) next(sequence)
  else free.push(sequence)
}

const server = createServer(async (request, response) => {
  if (request.method === 'GET') {
    response.end('ok')
    return
  }
  let body = ''
  for await (const part of request) body += part
  const { prompt, max_tokens: most } = JSON.parse(body)
  const sequence = await take()
  try {
    await sequence.clearHistory()
    response.writeHead(200, { 'Content-Type': 'text/event-stream' })
    let count = 0
    for await (const token of sequence.evaluate(model.tokenize(prompt, true), { temperature: 0 })) {
      response.write(`data: ${JSON.stringify({ choices: [{ text: model.detokenize([token]) }] })}\n\n`)
      if (++count >= most || response.destroyed) break
    }
    response.end('data: [DONE]\n\n')
  } finally {
    give(sequence)
  }
})
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`))
process.on('SIGTERM', () => process.exit())
