import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Chat } from '@qpkv/chat'
import { describe, expect, it, onTestFinished } from 'vitest'
import { makeApp } from '../src/app.ts'
import { Gate } from '../src/gate.ts'
import { Metrics } from '../src/metrics.ts'
import { resolveOptions } from '../src/options.ts'
import { eventsOf, post, question, running, sharedModel, until } from './support.ts'

const chat = '/v1/chat/completions'
const base = { model: 'qpkv', messages: question, max_tokens: 12, temperature: 0 }

const metricsAt = async (url: string) => (await fetch(`${url}/metrics`)).text()
/** A figure of /metrics. */
const figure = (text: string, name: string) => Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1])
const idle = (url: string) =>
  until(async () => figure(await metricsAt(url), String.raw`qpkv_cache_bytes\{kind="working"\}`) === 0)

interface Reply {
  readonly choices: { readonly message: { readonly content: string } }[]
}
const textOf = async (response: Response) => ((await response.json()) as Reply).choices[0]?.message.content

describe('under load', () => {
  const long = { ...base, max_tokens: 400, logit_bias: { 77: 100 }, stream: true }

  it('requests beyond the queue get 429, those in it their turn', async () => {
    const { url } = await running({ concurrent: 1, queue: 1 })
    const controller = new AbortController()
    const first = await post(url, chat, long, { signal: controller.signal })
    const second = post(url, chat, base)
    await until(async () =>
      (await (await fetch(`${url}/metrics`)).text()).includes('qpkv_requests_waiting 1'),
    )
    const third = await post(url, chat, base)
    expect([third.status, third.headers.get('retry-after')]).toEqual([429, '1'])
    controller.abort()
    await first.body?.cancel().catch(() => undefined)
    expect((await second).status).toBe(200)
  })

  it('a client that goes frees its place and its cache', async () => {
    const model = await sharedModel()
    const { url } = await running({ concurrent: 1 })
    for (let i = 0; i < 3; i++) {
      const controller = new AbortController()
      const response = await post(url, chat, long, { signal: controller.signal })
      const reader = response.body?.getReader()
      await reader?.read()
      controller.abort()
      await idle(url)
    }
    expect(model.stats().queue.contexts).toBe(0)
  })

  it('a request that takes too long ends, and stopping waits for what is at work', async () => {
    const slow = await running({ timeoutMs: 60 })
    const late = await eventsOf(await post(slow.url, chat, { ...long, max_tokens: 2000 }))
    expect(JSON.stringify(late.at(-1))).toMatch(/error/)
    const server = await running()
    const started = await post(server.url, chat, { ...long, max_tokens: 60 })
    const stopping = server.stop(10_000)
    await expect(post(server.url, chat, base)).rejects.toThrow()
    const events = await eventsOf(started)
    expect(events.at(-1)).toBe('[DONE]')
    await stopping
  })

  it('a reply whose client goes takes no further step', async () => {
    const model = await sharedModel()
    const options = resolveOptions({ model })
    const own = new Chat(model)
    const gate = new Gate(1, 0)
    const stopped = new AbortController().signal
    const app = makeApp(
      { ...options, chat: own, gate, metrics: new Metrics(own, gate), stopped },
      options,
      new Map(),
    )
    for (let i = 0; i < 5; i++) {
      const controller = new AbortController()
      const response = await app.fetch(
        new Request(`http://localhost${chat}`, {
          method: 'POST',
          headers: { 'Content-Type': 'application/json' },
          body: JSON.stringify(long),
          signal: controller.signal,
        }),
      )
      const reader = response.body?.getReader()
      for (let events = 0; events < 3; events++) await reader?.read()
      const { steps } = model.stats()
      controller.abort()
      await reader?.cancel()
      while (gate.counts.running > 0) await turn()
      expect(model.stats().steps - steps).toBeLessThanOrEqual(1)
      expect(model.stats().queue.contexts).toBe(0)
    }
    await own.dispose()
  })

  it('a slow reader slows its own reply only, and leaves nothing behind', async () => {
    const model = await sharedModel()
    const { url, port } = await running()
    // Replies with many log-probabilities fill the buffers of the connection soon.
    const slow = { ...long, max_tokens: 2000, n: 4, logprobs: true, top_logprobs: 20 }
    const socket = await rawPost(port, slow)
    socket.pause()
    // Until nothing is made any more, though the replies are not at their ends.
    let steps = -1
    await until(async () => {
      const before = steps
      steps = model.stats().steps
      await new Promise((resolve) => setTimeout(resolve, 150))
      return steps > 0 && before === steps
    }, 20_000)
    expect(figure(await metricsAt(url), 'qpkv_requests_running')).toBe(1)
    expect(await textOf(await post(url, chat, base))).toContain('calm-moon')
    socket.destroy()
    await idle(url)
    expect(model.stats().queue.contexts).toBe(0)
  }, 60_000)

  it('clients that are killed leave nothing behind', async () => {
    const model = await sharedModel()
    const { url } = await running({ concurrent: 8 })
    for (let i = 0; i < 2; i++) {
      const client = spawn(process.execPath, ['-e', MANY_STREAMS, `${url}${chat}`, JSON.stringify(long)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      onTestFinished(() => void client.kill('SIGKILL'))
      await once(client.stdout, 'data')
      client.kill('SIGKILL')
      await idle(url)
      expect(model.stats().queue).toMatchObject({ prompts: 0, contexts: 0 })
    }
    expect(await textOf(await post(url, chat, base))).toContain('calm-moon')
  })

  it('200 requests over 16 connections, some killed, some garbage: nothing is lost, nothing is left, memory stays', async () => {
    const model = await sharedModel()
    const { url } = await running({ concurrent: 8, queue: 32 })
    const expected = await textOf(await post(url, chat, base))
    let answered = 0
    const garbage = [
      '{',
      '[]',
      '"x"',
      '{"model":"qpkv"}',
      '\u0000\u0001',
      `{"messages": ${'['.repeat(5000)}`,
      '\ufffd'.repeat(999),
    ]
    const one = async (i: number) => {
      if (i % 10 === 3) {
        expect((await post(url, chat, garbage[i % garbage.length])).status).toBe(400)
        return
      }
      if (i % 10 === 7) {
        const controller = new AbortController()
        const response = await post(url, chat, { ...long, max_tokens: 30 }, { signal: controller.signal })
        await response.body?.getReader().read()
        controller.abort()
        return
      }
      expect(await textOf(await post(url, chat, base))).toBe(expected)
      answered++
    }
    const round = async () => {
      let next = 0
      await Promise.all(
        Array.from({ length: 16 }, async () => {
          while (next < 200) await one(next++)
        }),
      )
      await idle(url)
      setFlagsFromString('--expose-gc')
      ;(runInNewContext('gc') as () => void)()
      return process.memoryUsage.rss()
    }
    const batches: number[] = []
    const start = await metricsAt(url)
    const watch = setInterval(() => {
      void metricsAt(url).then((text) => batches.push(figure(text, 'qpkv_batch_size')))
    }, 20)
    await round()
    clearInterval(watch)
    const end = await metricsAt(url)
    expect(Math.max(...batches)).toBeGreaterThan(4)
    const rise = (name: string) => figure(end, name) - figure(start, name)
    expect(rise('qpkv_engine_tokens_total') / rise('qpkv_engine_steps_total')).toBeGreaterThan(1.5)
    const before = await round()
    const after = await round()
    expect(answered).toBe(480)
    expect(model.stats().queue).toMatchObject({ prompts: 0, contexts: 0 })
    expect(after - before).toBeLessThan(24 * 2 ** 20)
  }, 120_000)
})

/** A client of its own process: four streams, and a word when all of them have begun. */
const MANY_STREAMS = `
const [, url, body] = process.argv
const begun = Array.from({ length: 4 }, async () => {
  const response = await fetch(url, { method: 'POST', body, headers: { 'Content-Type': 'application/json' } })
  const reader = response.body.getReader()
  await reader.read()
  void (async () => { while (!(await reader.read()).done); })()
})
Promise.all(begun).then(() => console.log('begun'))
`

/** A connection that has sent a request and has seen the first bytes of its answer. */
async function rawPost(port: number, body: object): Promise<Socket> {
  const text = JSON.stringify(body)
  const socket = connect(port, '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  socket.write(
    `POST ${chat} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
  )
  await once(socket, 'data')
  return socket
}
