// A chat in the browser over a server in OpenAI's format. MODEL is a folder, a .gguf file or org/name; it ends at once when PORT is not given.
import { fileURLToPath } from 'node:url'
import { loadModel } from '@qpkv/core'
import { registry } from '@qpkv/methods'
import { modelFolder } from '@qpkv/reference-model'
import { serve } from '@qpkv/server'

const port = Number(process.env.PORT ?? 0)
const model = await loadModel(process.env.MODEL ?? modelFolder, { methods: registry })
const server = await serve({
  model,
  modelName: process.env.MODEL ?? 'reference',
  port,
  prefixBytes: 2 ** 28, // the next turn goes on from the cache of the last
  maxTokens: 512,
  page: fileURLToPath(new URL('chat-page', import.meta.url)),
})
console.log(`open ${server.url}`)

const end = async () => {
  await server.stop()
  await model.dispose()
}
if (port === 0) {
  const page = await (await fetch(server.url)).text()
  console.log(/<title>(.*)<\/title>/.exec(page)?.[1])
  await end()
} else for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, end)
