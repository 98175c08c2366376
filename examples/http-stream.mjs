// An HTTP endpoint that streams tokens: POST a prompt, read the reply as it comes. Ends after one request when PORT is not given.
import { createServer, request } from 'node:http'
import { loadModel } from '@qpkv/core'
import { snapkv } from '@qpkv/pruner-snapkv'
import { int8 } from '@qpkv/quantizer-int8'
import { modelFolder } from '@qpkv/reference-model'

const model = await loadModel(modelFolder)

async function answer(incoming, outgoing) {
  const stop = new AbortController()
  outgoing.on('close', () => stop.abort()) // a client that leaves stops the work
  let prompt = ''
  for await (const chunk of incoming.setEncoding('utf8')) prompt += chunk
  const compression = { budget: { tokens: 256 }, prune: snapkv({ window: 16 }), quantize: int8() }
  const context = await model.prefill(prompt, { compression, signal: stop.signal })
  try {
    for await (const { text } of context.generate({ maxTokens: 64, signal: stop.signal }))
      outgoing.write(text)
    outgoing.end()
  } finally {
    await context.dispose()
  }
}

const server = createServer((incoming, outgoing) => {
  answer(incoming, outgoing).catch((error) => {
    if (!outgoing.headersSent) outgoing.writeHead(400)
    outgoing.end(`${error.message}\n`)
  })
})

const port = Number(process.env.PORT ?? 0)
await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve))
const { port: listening } = server.address()
console.log(`listening on http://127.0.0.1:${listening}`)

if (port === 0) {
  const text =
    'The special magic number for amber-acorn is: 1234567.\nQuestion: What is the special magic number for amber-acorn?\nAnswer: The special magic number for amber-acorn is'
  await new Promise((resolve) => {
    request({ port: listening, host: '127.0.0.1', method: 'POST' }, (reply) =>
      reply
        .setEncoding('utf8')
        .on('data', (piece) => process.stdout.write(piece))
        .on('end', resolve),
    ).end(text)
  })
  console.log()
  server.close()
  await model.dispose()
}
