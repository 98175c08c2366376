import { describe, expect, it } from 'vitest'
import { templateMessages } from '../../chat/src/messages.ts'
import { learnToolFormat } from '../../chat/src/tools/learn-format.ts'
import { modelWithTemplate } from '../../chat/test/support/model-with-template.ts'
import { scripted } from '../../chat/test/support/scripted.ts'
import { callTemplates, freeArguments, singleCall } from '../../chat/test/support/templates.ts'
import { eventsOf, post, running } from './support.ts'

const path = '/v1/chat/completions'
const user = { role: 'user', content: 'What time is it, and is it warm?' } as const
const parameters = {
  clock: {
    type: 'object',
    properties: { zone: { type: 'string', enum: ['UTC', 'CET'] } },
    required: ['zone'],
  },
  weather: {
    type: 'object',
    properties: { city: { type: 'string' }, days: { type: 'integer' }, fine: { type: 'boolean' } },
    required: ['city'],
  },
}
const tools = Object.entries(parameters).map(([name, schema]) => ({
  type: 'function',
  function: { name, description: `The ${name}`, parameters: schema },
}))
const base = { model: 'qpkv', messages: [user], tools, temperature: 0, max_tokens: 300 }

interface WireCall {
  readonly id: string
  readonly type: string
  readonly function: { readonly name: string; readonly arguments: string }
}
interface Message {
  readonly content: string | null
  readonly tool_calls?: WireCall[]
}
interface Reply {
  readonly choices: { readonly message: Message; readonly finish_reason: string }[]
  readonly usage: { readonly prompt_tokens: number; readonly completion_tokens: number }
}
interface Chunk {
  readonly choices: {
    readonly delta: {
      readonly content?: string
      readonly tool_calls?: (WireCall & { readonly index: number })[]
    }
    readonly finish_reason: string | null
  }[]
}

const wanted = [
  ['clock', { zone: 'CET' }],
  ['weather', { city: 'São "Paulo"\\ {x}', days: 3, fine: true }],
] as const
const callsOf = (calls: readonly WireCall[] = []) =>
  calls.map(({ function: { name, arguments: args } }) => [name, JSON.parse(args)])

/** What the model would say for these calls: what its template writes behind the user's turn. */
async function written(source: string, calls: readonly (readonly [string, object])[]) {
  const model = await modelWithTemplate(source)
  const render = (messages: readonly never[], open: boolean) =>
    model.chatTemplate!.render(messages, { addGenerationPrompt: open, variables: { tools } })
  const { wants } = await learnToolFormat(render as never)
  const tool_calls = calls.map(([name, args], i) => ({
    id: `call0000${i}`,
    type: 'function',
    function: { name, arguments: JSON.stringify(args) },
  }))
  const turn = await render([user] as never, true)
  const messages = templateMessages([user, { role: 'assistant', content: '', tool_calls }], wants)
  const text = await render(messages as never, false)
  return { model, text: text.slice(turn.length).replace(/<\|eot_id\|>$/, '') }
}

describe.each(Object.entries(callTemplates))('a model whose template is of the form "%s"', (name, source) => {
  const calls = singleCall.includes(name) ? wanted.slice(1) : wanted

  it('calls, whole and as a stream, and takes the answers', async () => {
    const { model, text } = await written(source, calls)
    const { url } = await running({ model: scripted(model, text) })
    const whole = (await (await post(url, path, base)).json()) as Reply
    const [choice] = whole.choices
    expect(callsOf(choice?.message.tool_calls)).toEqual(calls)
    expect(choice?.finish_reason).toBe('tool_calls')
    expect(choice?.message.content ?? '').toMatch(/^(<think>\s*<.think>)?\s*$/)

    const chunks = (await eventsOf(await post(url, path, { ...base, stream: true }))).slice(0, -1) as Chunk[]
    const told = chunks.flatMap(({ choices }) => choices[0]?.delta.tool_calls ?? [])
    expect(callsOf(told)).toEqual(calls)
    expect(told.map(({ index }) => index)).toEqual(calls.map((_, i) => i))
    expect(chunks.at(-1)?.choices[0]?.finish_reason).toBe('tool_calls')

    // The client answers as it would; the template has to take its own calls again.
    const answers = (choice?.message.tool_calls ?? []).map(({ id }, i) => ({
      role: 'tool',
      tool_call_id: id,
      content: `answer ${i}`,
    }))
    const messages = [user, { role: 'assistant', ...choice?.message }, ...answers]
    const again = (await (await post(url, path, { ...base, messages })).json()) as Reply
    expect(again.usage.prompt_tokens).toBeGreaterThan(whole.usage.prompt_tokens + 10)
    expect(again.choices[0]?.finish_reason).toBe('tool_calls')
  })

  it('obeys tool_choice', async () => {
    const { model, text } = await written(source, calls)
    const { url } = await running({ model })
    const ask = async (more: object) => {
      const response = await post(url, path, { ...base, ...more })
      expect(response.status).toBe(200)
      return (await response.json()) as Reply
    }
    const named = await ask({ tool_choice: { type: 'function', function: { name: 'clock' } } })
    if (!freeArguments.includes(name)) {
      const [[called, args] = []] = callsOf(named.choices[0]?.message.tool_calls)
      expect(called).toBe('clock')
      expect(parameters.clock.properties.zone.enum).toContain((args as { zone: string }).zone)
      expect(named.choices[0]?.finish_reason).toBe('tool_calls')
      expect(named.choices[0]?.message.tool_calls).toHaveLength(1)
    }
    const only = await ask({ tool_choice: 'required', tools: tools.slice(0, 1) })
    if (!freeArguments.includes(name))
      expect(callsOf(only.choices[0]?.message.tool_calls)[0]?.[0]).toBe('clock')
    const none = await ask({ tool_choice: 'none', max_tokens: 8 })
    expect(none.choices[0]?.message.tool_calls).toBeUndefined()
    expect(none.usage.prompt_tokens).toBeLessThan(only.usage.prompt_tokens)
    // Without tools even the words of a call are text.
    const { url: other } = await running({ model: scripted(model, text) })
    const said = (await (await post(other, path, { ...base, tool_choice: 'none' })).json()) as Reply
    expect(said.choices[0]?.message.tool_calls).toBeUndefined()
    expect(said.choices[0]?.message.content).toContain('weather')
  })
})

it('responses call as items, whole and as events, and take the answers as items', async () => {
  const { model, text } = await written(callTemplates['tags']!, wanted)
  const { url } = await running({ model: scripted(model, text) })
  const body = {
    model: 'qpkv',
    input: user.content,
    tools: tools.map(({ function: described }) => ({ type: 'function', ...described })),
    max_output_tokens: 300,
  }
  interface Item {
    readonly type: string
    readonly call_id: string
    readonly name: string
    readonly arguments: string
  }
  interface Whole {
    readonly status: string
    readonly output: Item[]
    readonly usage: { readonly input_tokens: number }
  }
  const read = (items: readonly Item[]) =>
    items.map(({ type, name, arguments: args }) => [type, name, JSON.parse(args)])
  const items = wanted.map(([name, args]) => ['function_call', name, args])
  const whole = (await (await post(url, '/v1/responses', body)).json()) as Whole
  expect(read(whole.output)).toEqual(items)
  const events = (await eventsOf(await post(url, '/v1/responses', { ...body, stream: true }))) as {
    readonly type: string
    readonly arguments?: string
    readonly response?: Whole
  }[]
  const done = events.filter(({ type }) => type === 'response.function_call_arguments.done')
  expect(done.map(({ arguments: args }) => JSON.parse(args ?? ''))).toEqual(wanted.map(([, args]) => args))
  expect(read(events.at(-1)?.response?.output ?? [])).toEqual(items)
  const input = [
    { role: 'user', content: user.content },
    ...whole.output,
    ...whole.output.map(({ call_id: id }) => ({ type: 'function_call_output', call_id: id, output: 'noon' })),
  ]
  const again = (await (await post(url, '/v1/responses', { ...body, input })).json()) as Whole
  expect(again.status).toBe('completed')
  expect(again.usage.input_tokens).toBeGreaterThan(whole.usage.input_tokens + 10)
})
