import { loadModel, type Model } from '@qpkv/core'
import { registry } from '@qpkv/methods'
import { modelFolder } from '@qpkv/reference-model'
import { onTestFinished } from 'vitest'
import { serve, type RunningServer, type ServerOptions } from '../src/index.ts'

let loaded: Promise<Model> | undefined

/** The reference model, once per file. */
export const sharedModel = (): Promise<Model> =>
  (loaded ??= loadModel(modelFolder, { threads: 1, methods: registry }))

export async function running(options: Partial<ServerOptions> = {}): Promise<RunningServer> {
  const server = await serve({ model: await sharedModel(), port: 0, ...options })
  onTestFinished(() => server.stop(1000))
  return server
}

export const question = [
  {
    role: 'user',
    content: 'The password of Ada of Selby is calm-moon. What is the password of Ada of Selby?',
  },
]

export function post(url: string, path: string, body: unknown, init: RequestInit = {}): Promise<Response> {
  return fetch(url + path, {
    method: 'POST',
    body: typeof body === 'string' ? body : JSON.stringify(body),
    ...init,
    headers: { 'Content-Type': 'application/json', ...(init.headers as Record<string, string>) },
  })
}

/** Data of a stream's events. */
export async function eventsOf(response: Response): Promise<unknown[]> {
  const text = await response.text()
  return text
    .split('\n\n')
    .map((block) => /^data: (.*)$/m.exec(block)?.[1])
    .filter((data) => data !== undefined)
    .map((data) => (data === '[DONE]' ? data : (JSON.parse(data) as unknown)))
}

export async function until(what: () => boolean | Promise<boolean>, ms = 5000): Promise<void> {
  const end = Date.now() + ms
  while (!(await what())) {
    if (Date.now() > end) throw new Error('it did not come to that')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
