import { describe, expect, it } from 'vitest'
import { Chat, type ReplyEvent, type ReplyRequest, type Tool } from '../src/index.ts'
import { chooseTool } from '../src/tools/choose-tool.ts'
import { CallGate } from '../src/tools/call-gate.ts'
import { templateMessages } from '../src/messages.ts'
import { parseCalls } from '../src/tools/parse-calls.ts'
import { learnToolFormat } from '../src/tools/learn-format.ts'
import { modelWithTemplate } from './support/model-with-template.ts'
import { callTemplates, freeArguments, noTextBefore, singleCall } from './support/templates.ts'

const weather: Tool = {
  name: 'get_weather',
  description: 'The weather of a place',
  parameters: {
    type: 'object',
    properties: { city: { type: 'string' }, days: { type: 'integer' }, where: { type: 'object' } },
    required: ['city'],
  },
}
const clock: Tool = {
  name: 'clock',
  parameters: { type: 'object', properties: { zone: { enum: ['UTC', 'CET'] } }, required: ['zone'] },
}
const tools = [weather, clock]

const renderer = async (source: string) => {
  const model = await modelWithTemplate(source)
  return (messages: readonly unknown[], open: boolean) =>
    model.chatTemplate!.render(messages as never, { addGenerationPrompt: open, variables: { tools: [] } })
}

async function events(chat: Chat, request: ReplyRequest): Promise<ReplyEvent[]> {
  const opened = await chat.open(request)
  const all: ReplyEvent[] = []
  for await (const event of opened.replies[0]!) all.push(event)
  await opened.dispose()
  return all
}

describe.each(Object.entries(callTemplates))('calls as the template "%s" writes them', (name, source) => {
  it('are read back: one, several, none, and odd values', async () => {
    const render = await renderer(source)
    const format = await learnToolFormat(render)
    const odd = { city: 'São "Paulo"\\ {x}', days: 3, where: { lat: -23.5, near: [] } }
    const user = { role: 'user', content: 'Hi' } as const
    const turn = await render([user], true)
    const written = async (content: string, calls: { name: string; arguments: unknown }[]) => {
      const tool_calls = calls.map((call, i) => ({
        id: `call0000${i}`,
        type: 'function',
        function: { ...call, arguments: JSON.stringify(call.arguments) },
      }))
      const messages = [user, { role: 'assistant', content, tool_calls } as const]
      const text = await render(templateMessages(messages, format.wants), false)
      return text
        .slice(turn.length)
        .replace(/<\|eot_id\|>$/, '')
        .replace(/^<think>\s*<.think>\s*/, '')
    }
    const one = parseCalls(await written('', [{ name: 'get_weather', arguments: odd }]), format, tools)
    expect(one.calls.map(({ name, arguments: args }) => [name, JSON.parse(args)])).toEqual([
      ['get_weather', odd],
    ])
    expect(one.calls[0]?.id).toMatch(/^[a-zA-Z0-9]{9}$/)
    expect(one.text.trim()).toBe('')
    const both = [
      { name: 'clock', arguments: { zone: 'CET' } },
      { name: 'get_weather', arguments: { city: 'Oslo' } },
    ]
    if (!singleCall.includes(name)) {
      const two = parseCalls(await written('', both), format, tools)
      expect(two.calls.map(({ name: tool, arguments: args }) => [tool, JSON.parse(args)])).toEqual(
        both.map(Object.values),
      )
    }
    const unknown = await written('', [{ name: 'rm', arguments: { zone: 'CET' } }])
    expect(parseCalls(unknown, format, tools)).toEqual({ text: unknown, calls: [] })
    expect(parseCalls('It is {sunny}.', format, tools)).toEqual({ text: 'It is {sunny}.', calls: [] })
    if (noTextBefore.includes(name)) return
    const said = await written('Let me see. ', [{ name: 'clock', arguments: { zone: 'UTC' } }])
    expect(parseCalls(said, format, tools)).toMatchObject({
      text: 'Let me see. ',
      calls: [{ name: 'clock' }],
    })
  })

  it('are made where they are asked for', async () => {
    const chat = new Chat(await modelWithTemplate(source))
    const prompt = [{ role: 'user', content: 'What time is it?' } as const]
    const generate = { maxTokens: 120 }
    const all = await events(chat, { prompt, tools, toolChoice: { name: 'clock' }, generate })
    await chat.dispose()
    // Only schemas of whole calls and of arguments can be enforced: tags for every parameter are left to the model.
    if (freeArguments.includes(name)) return
    const call = all.find((event) => event.type === 'call')?.call
    expect(call?.name).toBe('clock')
    expect(['UTC', 'CET']).toContain((JSON.parse(call!.arguments) as { zone: string }).zone)
    expect(all.at(-1)).toMatchObject({ type: 'finish', reason: 'tool-calls' })
    expect(all.filter(({ type }) => type === 'text')).toEqual([])
  })
})

describe.each(Object.entries(callTemplates))('a call that is required, as "%s" writes it', (name, source) => {
  it('is one of several tools', async () => {
    const chat = new Chat(await modelWithTemplate(source))
    const prompt = [{ role: 'user', content: 'What time is it?' } as const]
    // Names of which one begins the other.
    const clocks = ['clock', 'clock_now', 'get_clock'].map((of) => ({ ...clock, name: of }))
    for (const seed of [1, 2, 3]) {
      const generate = { maxTokens: 120, temperature: 1.5, seed }
      const all = await events(chat, { prompt, tools: clocks, toolChoice: 'required', generate })
      if (freeArguments.includes(name)) continue
      const call = all.find((event) => event.type === 'call')?.call
      expect(clocks.map((tool) => tool.name)).toContain(call?.name)
      expect(['UTC', 'CET']).toContain((JSON.parse(call!.arguments) as { zone: string }).zone)
      expect(all.filter(({ type }) => type === 'text')).toEqual([])
    }
    await chat.dispose()
  })
})

describe('the choice between tools', () => {
  const bits = (mask: Int32Array | undefined) =>
    mask && Array.from({ length: 64 }, (_, id) => id).filter((id) => (mask[id >> 5]! >> (id & 31)) & 1)
  const after = (id: number) => {
    const said: number[] = []
    const mask = new Int32Array(2)
    mask[id >> 5] = 1 << (id & 31)
    return {
      said,
      allowed: () => mask,
      accept: (token: number) => void said.push(token),
      end: async () => undefined,
    }
  }
  it('goes along the names, and then by the tool of the name', async () => {
    const [first, second] = [after(40), after(41)]
    const choice = chooseTool(
      [
        { tokens: [5, 6], rest: first },
        { tokens: [5, 6, 7], rest: second },
        { tokens: [33], rest: undefined },
      ],
      64,
    )
    expect(bits(await choice.allowed())).toEqual([5, 33])
    await choice.accept(5)
    expect(bits(await choice.allowed())).toEqual([6])
    await choice.accept(6)
    // The shorter name is whole: its arguments, or the longer name.
    expect(bits(await choice.allowed())).toEqual([7, 40])
    await choice.accept(7)
    expect(bits(await choice.allowed())).toEqual([41])
    await choice.accept(41)
    expect([first.said, second.said]).toEqual([[], [41]])
    const other = chooseTool(
      [
        { tokens: [5, 6], rest: first },
        { tokens: [33], rest: undefined },
      ],
      64,
    )
    await other.accept(33)
    expect(await other.allowed()).toBeUndefined()
  })
})

it('a template that leaves calls out is told as such', async () => {
  const chat = new Chat(await modelWithTemplate())
  await expect(chat.open({ prompt: [{ role: 'user', content: 'Hi' }], tools })).rejects.toMatchObject({
    code: 'KV_UNSUPPORTED',
  })
  await chat.dispose()
})

describe('the gate before a call', () => {
  it('lets text through that is no opening, and holds what may be one', () => {
    const gate = new CallGate('<tool_call>\n')
    expect(['Hi <', 'b> <to', 'ol_', 'call>{'].map((text) => gate.push(text))).toEqual([
      'Hi ',
      '<b> ',
      '',
      '',
    ])
    expect(gate.rest()).toBe('<tool_call>{')
    const bare = new CallGate('')
    expect([' ', 'A {', '{'].map((text) => bare.push(text))).toEqual(['', ' A {', '{'])
    const json = new CallGate('')
    expect(json.push(' {"a": 1}')).toBe('')
    expect(json.rest()).toBe(' {"a": 1}')
  })
})
