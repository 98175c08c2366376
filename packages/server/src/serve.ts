import { readdirSync, readFileSync } from 'node:fs'
import type { Server } from 'node:http'
import { extname, join } from 'node:path'
import { serve as listen } from '@hono/node-server'
import { Chat } from '@qpkv/chat'
import { KvError } from '@qpkv/spec'
import { makeApp } from './app.ts'
import { Gate } from './gate.ts'
import { Metrics } from './metrics.ts'
import { resolveOptions, type ServerOptions } from './options.ts'

/** A server that listens. */
export interface RunningServer {
  /** Such as `http://127.0.0.1:8080`. */
  readonly url: string
  readonly port: number
  /**
   * Takes no more requests and waits for those at work, at most so long (default 30 s); then ends what is left. The model stays.
   */
  stop(waitMs?: number): Promise<void>
}

/**
 * Serves a model in OpenAI's wire format.
 * @throws KV_INVALID_OPTION, and KV_INVALID_OPTION with the system's reason where it cannot listen.
 */
export async function serve(given: ServerOptions): Promise<RunningServer> {
  const options = resolveOptions(given)
  const { model, host, prefixBytes, prefixFolder, prefixFileBytes, compression, whenFull } = options
  if (whenFull !== undefined) await model.checkWhenFull(whenFull)
  const page = readPage(options.page)
  const chat = new Chat(model, {
    prefixBytes,
    prefixFileBytes,
    ...(prefixFolder !== undefined && { prefixFolder }),
    ...(compression !== undefined && { compression }),
    ...(whenFull !== undefined && { whenFull }),
  })
  const gate = new Gate(options.concurrent, options.queue)
  const stopped = new AbortController()
  const { modelName, maxTokens, maxPromptTokens, timeoutMs } = options
  const metrics = new Metrics(chat, gate)
  const app = makeApp(
    { chat, gate, metrics, modelName, maxTokens, maxPromptTokens, timeoutMs, stopped: stopped.signal },
    options,
    page,
  )
  const server = await start(app.fetch, host, options.port)
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : options.port
  let stopping: Promise<void> | undefined
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
    port,
    stop: (waitMs = 30_000) => (stopping ??= stop(server, gate, stopped, chat, waitMs)),
  }
}

async function stop(
  server: Server,
  gate: Gate,
  stopped: AbortController,
  chat: Chat,
  waitMs: number,
): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  const timer = setTimeout(() => {
    stopped.abort(new KvError('KV_ABORTED', 'The server has stopped.'))
  }, waitMs)
  await gate.close()
  clearTimeout(timer)
  server.closeIdleConnections()
  // Answers that are written, but not read, are not waited for long.
  const last = setTimeout(() => {
    server.closeAllConnections()
  }, 1000)
  await closed
  clearTimeout(last)
  await chat.dispose()
}

function start(
  fetch: Parameters<typeof listen>[0]['fetch'],
  hostname: string,
  port: number,
): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = listen({ fetch, hostname, port }, () => {
      server.off('error', fail)
      resolve(server)
    }) as Server
    const fail = (error: Error) => {
      reject(
        new KvError('KV_INVALID_OPTION', `Could not listen on ${hostname}:${port}: ${error.message}.`, {
          hint: 'Choose another port.',
          cause: error,
        }),
      )
    }
    server.once('error', fail)
    server.headersTimeout = 20_000
    server.requestTimeout = 60_000
  })
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.css': 'text/css',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.svg': 'image/svg+xml',
}

/** Files of a folder by path: read now, so that no request names a file. */
function readPage(folder: string | undefined): ReadonlyMap<string, Response> {
  const files = new Map<string, Response>()
  if (folder === undefined) return files
  for (const name of readdirSync(folder)) {
    const type = TYPES[extname(name)]
    if (!type) continue
    const file = new Response(readFileSync(join(folder, name), 'utf8'), {
      headers: { 'Content-Type': `${type}; charset=utf-8` },
    })
    files.set(name === 'index.html' ? '/' : `/${name}`, file)
  }
  return files
}
