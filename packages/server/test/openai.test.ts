import { describe, expect, it } from 'vitest'
import { question, running } from './support.ts'

describe("OpenAI's own client", () => {
  it('lists models, chats, streams, completes and asks for responses', async () => {
    const { OpenAI } = await import('openai')
    const { url } = await running({ apiKey: 'secret' })
    const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'secret', maxRetries: 0 })
    expect((await client.models.list()).data.map(({ id }) => id)).toEqual(['qpkv'])
    const messages = question as { role: 'user'; content: string }[]
    const chat = await client.chat.completions.create({
      model: 'qpkv',
      messages,
      max_tokens: 12,
      temperature: 0,
    })
    expect(chat.choices[0]?.message.content).toContain('calm-moon')
    const stream = client.chat.completions.stream({ model: 'qpkv', messages, max_tokens: 12, temperature: 0 })
    expect(await stream.finalContent()).toBe(chat.choices[0]?.message.content)
    const text = await client.completions.create({ model: 'qpkv', prompt: 'The boat is', max_tokens: 4 })
    expect(text.usage?.completion_tokens).toBe(4)
    const response = await client.responses.create({
      model: 'qpkv',
      input: messages[0]?.content ?? '',
      max_output_tokens: 12,
      temperature: 0,
    })
    expect(response.output_text).toBe(chat.choices[0]?.message.content)
    const events = client.responses.stream({
      model: 'qpkv',
      input: messages[0]?.content ?? '',
      max_output_tokens: 12,
      temperature: 0,
    })
    expect((await events.finalResponse()).output_text).toBe(response.output_text)
    await expect(client.chat.completions.create({ model: 'other', messages })).rejects.toMatchObject({
      status: 404,
      code: 'model_not_found',
    })
    const stranger = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'wrong', maxRetries: 0 })
    await expect(stranger.models.list()).rejects.toMatchObject({ status: 401 })
  })

  it('leaves a stream early, and parses JSON by schema', async () => {
    const { OpenAI } = await import('openai')
    const { url } = await running()
    const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none' })
    const messages = question as { role: 'user'; content: string }[]
    const stream = await client.chat.completions.create({
      model: 'qpkv',
      messages,
      max_tokens: 500,
      stream: true,
      logit_bias: { 77: 100 },
    })
    for await (const _ of stream) break
    const schema = {
      type: 'object',
      properties: { sure: { type: 'boolean' } },
      required: ['sure'],
      additionalProperties: false,
    }
    const { choices } = await client.chat.completions.parse({
      model: 'qpkv',
      messages,
      max_tokens: 40,
      response_format: { type: 'json_schema', json_schema: { name: 'answer', strict: true, schema } },
    })
    expect(typeof (choices[0]?.message.parsed as { sure?: unknown } | null)?.sure).toBe('boolean')
  })
})
