import { readdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import { downloadModel, type DownloadOptions } from '../../src/hub/download-model.ts'
import { temporaryFolder } from '../support/model-folder.ts'
import { HubServer, type HubFile } from './hub-server.ts'

export const text = (content: string): HubFile => ({ content: Buffer.from(content) })
export const weights = (bytes: number, seed = 7): HubFile => ({
  content: Buffer.from(Uint8Array.from({ length: bytes }, (_, i) => (i * seed) & 255)),
  large: true,
})
export const tiny = (): Record<string, HubFile> => ({
  'config.json': text('{"model_type":"llama"}'),
  'tokenizer.json': text('{}'),
  'chat_template.jinja': text('{{ messages }}'),
  'model.safetensors': weights(200_000),
  'README.md': text('not needed'),
  'pytorch_model.bin': weights(10),
})
export const retry = { attempts: 3, delayMs: 1, longestWaitMs: 50, idleMs: 200 }

export async function hub(files = tiny()) {
  const server = await HubServer.start(files)
  const home = temporaryFolder()
  const env = { HF_ENDPOINT: server.address, HF_HOME: home }
  const fetchIt = (name = 'org/tiny', more: DownloadOptions = {}) =>
    downloadModel(name, { env, retry, ...more })
  return { server, home, env, fetchIt, model: join(home, 'hub', 'models--org--tiny') }
}

export const everyFile = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort()

/** Sends half of a file and cuts the connection. */
export const cut = (response: Parameters<HubServer['trouble']>[1], file: HubFile, from = 0) => {
  response.setHeader('content-length', file.content.length - from)
  if (from > 0) {
    response.statusCode = 206
    response.setHeader('content-range', `bytes ${from}-${file.content.length - 1}/${file.content.length}`)
  }
  const half = from + ((file.content.length - from) >> 1)
  response.write(file.content.subarray(from, half), () => setTimeout(() => response.destroy(), 20))
}
