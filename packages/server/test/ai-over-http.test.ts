import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { generateText, jsonSchema, Output, streamText, tool } from 'ai'
import { describe, expect, it } from 'vitest'
import { modelWithTemplate } from '../../chat/test/support/model-with-template.ts'
import { callTemplates } from '../../chat/test/support/templates.ts'
import { question, running } from './support.ts'

const prompt = question[0]?.content ?? ''
const fixed = { prompt, temperature: 0, maxOutputTokens: 12, maxRetries: 0 }
const modelAt = (url: string) =>
  createOpenAICompatible({
    name: 'here',
    baseURL: `${url}/v1`,
    includeUsage: true,
    supportsStructuredOutputs: true,
  })('qpkv')

describe('the AI SDK over HTTP', () => {
  it('generates and streams the same text and usage; cached tokens are told', async () => {
    const { url } = await running({ prefixBytes: 32e6 })
    const model = modelAt(url)
    const first = await generateText({ model, ...fixed })
    expect(first.text).toContain('calm-moon')
    const streamed = streamText({ model, ...fixed })
    let text = ''
    for await (const delta of streamed.textStream) text += delta
    expect(text).toBe(first.text)
    const { inputTokens, inputTokenDetails, outputTokens } = await streamed.usage
    expect([inputTokens, outputTokens]).toEqual([first.usage.inputTokens, first.usage.outputTokens])
    expect(inputTokenDetails.cacheReadTokens).toBe(first.usage.inputTokens)
  })

  it('gets objects of its schema, and its tools are called', async () => {
    const { url } = await running({ model: await modelWithTemplate(callTemplates['tags']) })
    const model = modelAt(url)
    const schema = jsonSchema<{ sure: boolean }>({
      type: 'object',
      properties: { sure: { type: 'boolean' } },
      required: ['sure'],
      additionalProperties: false,
    })
    const { output } = await generateText({
      model,
      prompt,
      output: Output.object({ schema }),
      maxOutputTokens: 40,
    })
    expect(typeof output.sure).toBe('boolean')
    const asked: string[] = []
    const clock = tool({
      description: 'The time in a zone',
      inputSchema: jsonSchema<{ zone: string }>({
        type: 'object',
        properties: { zone: { enum: ['UTC', 'CET'] } },
        required: ['zone'],
      }),
      execute: ({ zone }) => {
        asked.push(zone)
        return { time: '12:00' }
      },
    })
    const called = await generateText({
      model,
      prompt,
      tools: { clock },
      toolChoice: { type: 'tool', toolName: 'clock' },
      maxOutputTokens: 80,
    })
    expect(called.finishReason).toBe('tool-calls')
    expect(['UTC', 'CET']).toContain(asked[0])
    const next = await generateText({
      model,
      messages: [{ role: 'user', content: prompt }, ...called.response.messages],
      tools: { clock },
      maxOutputTokens: 4,
    })
    expect(next.usage.inputTokens).toBeGreaterThan(called.usage.inputTokens ?? 0)
  })

  it('an abort frees the place', async () => {
    const { url } = await running({ concurrent: 1 })
    const controller = new AbortController()
    const { textStream } = streamText({
      model: modelAt(url),
      prompt,
      maxOutputTokens: 2000,
      abortSignal: controller.signal,
      onError: () => undefined,
    })
    await textStream[Symbol.asyncIterator]().next()
    controller.abort()
    expect((await generateText({ model: modelAt(url), ...fixed })).text).toContain('calm-moon')
  })
})
