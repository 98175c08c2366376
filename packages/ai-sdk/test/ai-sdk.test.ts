import { mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadModel, type Model } from '@qpkv/core'
import { registry } from '@qpkv/methods'
import { modelFolder } from '@qpkv/reference-model'
import { generateText, jsonSchema, Output, streamText, tool } from 'ai'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { qpkv } from '../src/index.ts'

let model: Model
beforeAll(async () => {
  model = await loadModel(modelFolder, { threads: 1, methods: registry })
})
afterAll(() => model.dispose())

const prompt = 'The password of Ada of Selby is calm-moon. What is the password of Ada of Selby?'
const fixed = { prompt, temperature: 0, maxOutputTokens: 12 }

/** A template that writes calls as objects between tags. */
const template = `{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>

{{ m.content if m.content else '' }}{% for c in m.tool_calls or [] %}<tool_call>
{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}}
</tool_call>{% endfor %}<|eot_id|>{% endfor %}{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>

{% endif %}`

async function modelWithTools(): Promise<Model> {
  const folder = mkdtempSync(join(tmpdir(), 'qpkv-ai-'))
  for (const name of readdirSync(modelFolder)) symlinkSync(join(modelFolder, name), join(folder, name))
  rmSync(join(folder, 'chat_template.jinja'), { force: true })
  writeFileSync(join(folder, 'chat_template.jinja'), template)
  const loaded = await loadModel(folder, { threads: 1 })
  onTestFinished(async () => {
    await loaded.dispose()
    rmSync(folder, { recursive: true })
  })
  return loaded
}

describe("the AI SDK's own functions", () => {
  it('generateText and streamText give the same text and usage; cached tokens are told', async () => {
    const own = qpkv(model, { compression: 'none+int8', prefixBytes: 32e6 })
    const first = await generateText({ model: own, ...fixed })
    expect(first.text).toContain('calm-moon')
    expect(first.usage.outputTokens).toBeGreaterThan(0)
    const streamed = streamText({ model: own, ...fixed })
    let text = ''
    for await (const delta of streamed.textStream) text += delta
    expect(text).toBe(first.text)
    const usage = await streamed.usage
    expect(usage.inputTokens).toBe(first.usage.inputTokens)
    expect(usage.inputTokenDetails.cacheReadTokens).toBe(first.usage.inputTokens)
    await own.dispose()
  })

  it('Output.object is of its schema', async () => {
    const own = qpkv(model)
    const schema = jsonSchema<{ sure: boolean; word: 'a' | 'b' }>({
      type: 'object',
      properties: { sure: { type: 'boolean' }, word: { type: 'string', enum: ['a', 'b'] } },
      required: ['sure', 'word'],
      additionalProperties: false,
    })
    const { output } = await generateText({
      model: own,
      prompt,
      output: Output.object({ schema }),
      maxOutputTokens: 60,
    })
    expect(typeof output.sure).toBe('boolean')
    expect(['a', 'b']).toContain(output.word)
    await own.dispose()
  })

  it('tools are called with what their schemas allow, and answers come back', async () => {
    const own = qpkv(await modelWithTools())
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
    const result = await generateText({
      model: own,
      prompt,
      tools: { clock },
      toolChoice: { type: 'tool', toolName: 'clock' },
      maxOutputTokens: 80,
    })
    expect(asked).toHaveLength(1)
    expect(['UTC', 'CET']).toContain(asked[0])
    expect(result.finishReason).toBe('tool-calls')
    const next = await generateText({
      model: own,
      messages: [{ role: 'user', content: prompt }, ...result.response.messages],
      maxOutputTokens: 4,
    })
    expect(next.usage.outputTokens).toBeGreaterThan(0)
    await own.dispose()
  })

  it('an abort ends the work and frees the cache', async () => {
    const own = qpkv(model)
    const controller = new AbortController()
    const { textStream } = streamText({
      model: own,
      prompt,
      maxOutputTokens: 500,
      abortSignal: controller.signal,
      onError: () => undefined,
    })
    const reader = textStream[Symbol.asyncIterator]()
    await reader.next()
    controller.abort()
    for (let i = 0; i < 200 && model.stats().queue.contexts > 0; i++)
      await new Promise((resolve) => setTimeout(resolve, 5))
    expect(model.stats().queue.contexts).toBe(0)
    await own.dispose()
  })

  it('images are refused by name', async () => {
    const own = qpkv(model)
    const image = { type: 'image' as const, image: new Uint8Array([1, 2, 3]), mediaType: 'image/png' }
    await expect(
      generateText({ model: own, messages: [{ role: 'user', content: [image] }], maxRetries: 0 }),
    ).rejects.toThrow(/type file/)
    await own.dispose()
  })
})
