import { connect } from 'node:net'
import { describe, expect, it } from 'vitest'
import { serve } from '../src/index.ts'
import { eventsOf, post, question, running, sharedModel } from './support.ts'

const chat = '/v1/chat/completions'
const base = { model: 'qpkv', messages: question, max_tokens: 12, temperature: 0 }

interface Reply {
  readonly choices: {
    readonly message: { readonly content: string }
    readonly finish_reason: string
    readonly logprobs: {
      readonly content: {
        readonly token: string
        readonly logprob: number
        readonly top_logprobs: unknown[]
      }[]
    } | null
  }[]
  readonly usage: {
    readonly prompt_tokens: number
    readonly completion_tokens: number
    readonly prompt_tokens_details: { readonly cached_tokens: number }
  }
}
const replyOf = async (response: Response) => (await response.json()) as Reply
const messageOf = async (response: Response) =>
  ((await response.json()) as { error: { message: string } }).error.message

describe('chat completions', () => {
  it('answer, whole and as a stream, with the same text and usage', async () => {
    const { url } = await running()
    const whole = await replyOf(await post(url, chat, base))
    expect(whole.choices[0]?.message.content).toContain('calm-moon')
    expect(whole.usage.prompt_tokens).toBeGreaterThan(10)
    const response = await post(url, chat, { ...base, stream: true, stream_options: { include_usage: true } })
    expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/)
    const events = await eventsOf(response)
    expect(events.at(-1)).toBe('[DONE]')
    type Chunk = { choices: { delta: { content?: string }; finish_reason: string | null }[]; usage?: unknown }
    const chunks = events.slice(0, -1) as Chunk[]
    expect(chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('')).toBe(
      whole.choices[0]?.message.content,
    )
    expect(chunks.at(-1)?.usage).toEqual(whole.usage)
    expect(chunks.at(-2)?.choices[0]?.finish_reason).toBe(whole.choices[0]?.finish_reason)
  })

  it('obey stop, seed, n, logprobs, bias and JSON schemas', async () => {
    const { url } = await running()
    const ask = async (more: object) => replyOf(await post(url, chat, { ...base, ...more }))
    expect((await ask({ stop: '-moon' })).choices[0]).toMatchObject({
      message: { content: expect.stringMatching(/calm$/) as string },
      finish_reason: 'stop',
    })
    const drawn = await ask({ temperature: 1.5, top_p: 1, seed: 5, n: 3 })
    expect(drawn.choices).toHaveLength(3)
    expect(drawn).toMatchObject({
      choices: (await ask({ temperature: 1.5, top_p: 1, seed: 5, n: 3 })).choices,
    })
    const told = (await ask({ logprobs: true, top_logprobs: 2 })).choices[0]?.logprobs?.content
    expect(told?.map(({ token }) => token).join('')).toContain('calm-moon')
    expect(told?.[0]?.top_logprobs).toHaveLength(2)
    expect(told?.[0]?.logprob).toBeLessThanOrEqual(0)
    expect((await ask({ logit_bias: { 77: 100 }, max_tokens: 3 })).usage.completion_tokens).toBe(3)
    const schema = {
      type: 'object',
      properties: { sure: { type: 'boolean' } },
      required: ['sure'],
      additionalProperties: false,
    }
    const json = await ask({
      max_tokens: 60,
      response_format: { type: 'json_schema', json_schema: { name: 'x', schema } },
    })
    expect(typeof (JSON.parse(json.choices[0]?.message.content ?? '') as { sure: unknown }).sure).toBe(
      'boolean',
    )
    const object = await ask({ response_format: { type: 'json_object' } })
    expect(object.choices[0]?.message.content).toMatch(/^\{["}]/)
  })

  it('compress as the server or the request says, and reuse prefixes where asked', async () => {
    const { url } = await running({ compression: 'none+int8', prefixBytes: 32e6 })
    const first = await replyOf(await post(url, chat, base))
    const again = await replyOf(await post(url, chat, base))
    expect(again.usage.prompt_tokens_details.cached_tokens).toBe(first.usage.prompt_tokens)
    const other = await replyOf(
      await post(url, chat, { ...base, compression: 'streamingllm+kivi:bits=4@24t' }),
    )
    expect(other.usage.prompt_tokens_details.cached_tokens).toBe(0)
    const refused = await post(url, chat, { ...base, compression: 'snapkw+int8@24t' })
    expect([refused.status, await messageOf(refused)]).toEqual([400, expect.stringMatching(/snapkv/)])
  })
})

it('completions take text and ids', async () => {
  const { url } = await running()
  const body = { model: 'qpkv', prompt: 'The boat is', max_tokens: 5, temperature: 0, logprobs: 2 }
  type Completion = { choices: { text: string; logprobs: { tokens: string[] } }[] }
  const text = (await (await post(url, '/v1/completions', body)).json()) as Completion
  expect(text.choices[0]?.logprobs.tokens).toHaveLength(5)
  const { ids } = await (await sharedModel()).tokenize('The boat is')
  const same = (await (
    await post(url, '/v1/completions', { ...body, prompt: [...ids] })
  ).json()) as Completion
  expect(same.choices).toEqual(text.choices)
  const streamed = await eventsOf(await post(url, '/v1/completions', { ...body, stream: true }))
  expect((streamed.slice(0, -1) as Completion[]).map(({ choices }) => choices[0]?.text).join('')).toBe(
    text.choices[0]?.text,
  )
})

it('responses are stateless, whole and as events', async () => {
  const { url } = await running()
  const body = { model: 'qpkv', input: question[0]?.content, max_output_tokens: 12, temperature: 0 }
  type Whole = { output: { content: { text: string }[] }[]; usage: object; status: string }
  const whole = (await (await post(url, '/v1/responses', body)).json()) as Whole
  expect(whole.output[0]?.content[0]?.text).toContain('calm-moon')
  const events = (await eventsOf(await post(url, '/v1/responses', { ...body, stream: true }))) as {
    type: string
    delta?: string
    sequence_number: number
    response?: Whole
  }[]
  expect(events.map(({ sequence_number: at }) => at)).toEqual(events.map((_, at) => at))
  expect(events[0]?.type).toBe('response.created')
  expect(events.map(({ delta = '' }) => delta).join('')).toBe(whole.output[0]?.content[0]?.text)
  expect(events.at(-1)?.response).toMatchObject({ usage: whole.usage, status: whole.status })
  expect((await post(url, '/v1/responses', { ...body, previous_response_id: 'x' })).status).toBe(400)
})

describe('what is wrong', () => {
  it('is told with a status and what was expected', async () => {
    const { url } = await running({ maxBodyBytes: 20_000, maxPromptTokens: 200 })
    const cases: [unknown, number, RegExp][] = [
      ['{', 400, /not JSON/],
      [{ ...base, temperture: 1 }, 400, /did you mean temperature/],
      [{ ...base, model: 'gpt' }, 404, /no model "gpt"/],
      [{ ...base, messages: [] }, 400, /messages/],
      [
        { ...base, messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'x' } }] }] },
        400,
        /messages/,
      ],
      [{ ...base, n: 99 }, 400, /n/],
      [{ ...base, chat_template: '{{ x }}' }, 400, /chat_template/],
      [{ ...base, messages: [{ role: 'user', content: 'word '.repeat(900) }] }, 400, /at most 200/],
      [{ ...base, messages: [{ role: 'user', content: 'x'.repeat(30_000) }] }, 413, /20000 bytes/],
      [{ ...base, logit_bias: { 999999: 1 } }, 400, /token ids/],
      [
        { ...base, tools: [{ type: 'function', function: { name: 'f' } }] },
        400,
        /template does not write tool calls/,
      ],
      [
        { ...base, response_format: { type: 'json_schema', json_schema: { schema: { not: {} } } } },
        400,
        /not obeyed/,
      ],
    ]
    for (const [body, status, wanted] of cases) {
      const response = await post(url, chat, body)
      expect([response.status, await messageOf(response)]).toEqual([status, expect.stringMatching(wanted)])
    }
    expect((await post(url, chat, base, { headers: { 'Content-Type': 'text/plain' } })).status).toBe(415)
    expect((await fetch(`${url}/v1/nothing`)).status).toBe(404)
    expect((await fetch(`${url}/../../etc/passwd`)).status).toBe(404)
  })

  it('is refused to strangers', async () => {
    const { url } = await running({ apiKey: 'secret' })
    expect((await post(url, chat, base)).status).toBe(401)
    expect((await post(url, chat, base, { headers: { Authorization: 'Bearer secreT' } })).status).toBe(401)
    expect((await post(url, chat, base, { headers: { Authorization: 'Bearer secret' } })).status).toBe(200)
    expect((await fetch(`${url}/metrics`)).status).toBe(401)
    expect((await fetch(`${url}/health`)).status).toBe(200)
    const open = await running()
    const rebound = await rawGet(open.port, '/v1/models', 'evil.example')
    expect(rebound).toMatch(/^HTTP\/1.1 403/)
    await expect(serve({ model: await sharedModel(), port: -1 })).rejects.toThrow(/port/)
    await expect(serve({ model: await sharedModel(), portt: 1 } as never)).rejects.toThrow(/port/)
  })
})

function rawGet(port: number, path: string, host: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    const socket = connect(port, '127.0.0.1', () =>
      socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`),
    )
    socket.on('data', (data) => (text += data.toString()))
    socket.on('close', () => {
      resolve(text)
    })
    socket.on('error', reject)
  })
}

it('health and metrics tell how it is', async () => {
  const { url } = await running()
  await post(url, chat, base)
  expect(await (await fetch(`${url}/health`)).json()).toEqual({ status: 'ok', model: 'qpkv' })
  const text = await (await fetch(`${url}/metrics`)).text()
  for (const name of [
    'requests_total{path="/v1/chat/completions",status="200"} 1',
    'batch_size',
    'time_to_first_token_seconds_count 1',
    'cache_bytes{kind="prefixes"} 0',
    'prefix_hits 0',
    'prefix_evictions 0',
  ])
    expect(text).toContain(`qpkv_${name}`)
})
