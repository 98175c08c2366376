import { createHash, timingSafeEqual } from 'node:crypto'
import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { cors } from 'hono/cors'
import type { z } from 'zod'
import { chatBody, completionBody, readBody, responsesBody } from './body.ts'
import { chatCompletions } from './chat-completions.ts'
import { completions } from './completions.ts'
import { HttpError, toHttpError } from './http-error.ts'
import type { ResolvedOptions } from './options.ts'
import { responses } from './responses.ts'
import { now } from './usage.ts'
import type { Serving } from './work.ts'

/** The routes, and who may use them. */
export function makeApp(
  serving: Serving,
  options: ResolvedOptions,
  page: ReadonlyMap<string, Response>,
): Hono {
  const app = new Hono()
  const { metrics, modelName } = serving
  const { apiKey, corsOrigins, maxBodyBytes } = options
  const started = now()

  app.onError((error) => toHttpError(error).toResponse())
  app.notFound((c) =>
    new HttpError(404, `There is no ${c.req.method} ${c.req.path} here.`, { code: 'not_found' }).toResponse(),
  )
  app.use(async (c, next) => {
    await next()
    // Only paths that exist: anything else would grow the table.
    const path = c.res.status === 404 ? 'other' : c.req.routePath.startsWith('/v1') ? c.req.path : 'other'
    metrics.requests.inc({ path, status: String(c.res.status) })
  })
  // Pages of other names that lead to this machine must not reach a server that asks for no key.
  if (apiKey === undefined && isLoopback(options.host))
    app.use(async (c, next) => {
      const name = (c.req.header('host') ?? 'localhost').replace(/:\d+$/, '')
      if (!isLoopback(name))
        throw new HttpError(403, `This server does not answer for ${name}.`, { code: 'host' })
      await next()
    })
  if (corsOrigins.length > 0) app.use('/v1/*', cors({ origin: [...corsOrigins] }))
  app.get('/health', (c) =>
    c.json({ status: options.model.stats().batch >= 0 ? 'ok' : 'failed', model: modelName }),
  )
  if (apiKey !== undefined) {
    const wanted = digest(apiKey)
    const guard = async (header: string | undefined) => {
      const given = /^Bearer (.+)$/.exec(header ?? '')?.[1]
      if (given === undefined || !timingSafeEqual(digest(given), wanted))
        throw new HttpError(401, 'Expected the API key as "Authorization: Bearer KEY".', {
          type: 'authentication_error',
          code: 'invalid_api_key',
          headers: { 'WWW-Authenticate': 'Bearer' },
        })
    }
    for (const path of ['/v1/*', '/metrics'])
      app.use(path, async (c, next) => {
        await guard(c.req.header('authorization'))
        await next()
      })
  }
  app.get('/metrics', async () => {
    const { registry } = metrics
    return new Response(await metrics.text(), { headers: { 'Content-Type': registry.contentType } })
  })
  const card = { id: modelName, object: 'model', created: started, owned_by: 'qpkv' }
  app.get('/v1/models', (c) => c.json({ object: 'list', data: [card] }))
  app.get('/v1/models/:name', (c) => {
    checkModel(c.req.param('name'), modelName)
    return c.json(card)
  })

  const limit = bodyLimit({
    maxSize: maxBodyBytes,
    onError: () =>
      new HttpError(413, `The body has more than ${maxBodyBytes} bytes.`, {
        code: 'body_too_large',
      }).toResponse(),
  })
  const post = <T extends z.ZodObject>(
    path: string,
    shape: T,
    answer: (serving: Serving, body: z.infer<T>, closed: AbortSignal) => Promise<Response>,
  ) =>
    app.post(path, limit, async (c) => {
      // Pages of other origins can send other types without asking.
      if (!/^application\/json\b/i.test(c.req.header('content-type') ?? ''))
        throw new HttpError(415, 'Expected a body of Content-Type: application/json.')
      const body = readBody(shape, await readJson(c.req.raw))
      checkModel((body as { model: string }).model, modelName)
      return answer(serving, body, c.req.raw.signal)
    })
  post('/v1/chat/completions', chatBody, chatCompletions)
  post('/v1/completions', completionBody, completions)
  post('/v1/responses', responsesBody, responses)
  for (const [path, file] of page) app.get(path, () => file.clone())
  return app
}

const digest = (key: string) => createHash('sha256').update(key).digest()

const isLoopback = (host: string) => /^(localhost|127(\.\d+){3}|\[?::1\]?)$/i.test(host)

function checkModel(asked: string, name: string): void {
  if (asked !== name)
    throw new HttpError(
      404,
      `There is no model ${JSON.stringify(asked.slice(0, 100))} here; this server has ${JSON.stringify(name)}.`,
      {
        code: 'model_not_found',
        param: 'model',
      },
    )
}

async function readJson(request: Request): Promise<unknown> {
  const text = await request.text()
  try {
    return JSON.parse(text) as unknown
  } catch (cause) {
    throw new HttpError(400, `The body is not JSON: ${(cause as Error).message}.`)
  }
}
