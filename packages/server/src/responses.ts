import { randomUUID } from 'node:crypto'
import type { ReplyRequest, ToolCall } from '@qpkv/chat'
import type { Message } from '@qpkv/core'
import { readCompression, type ResponsesBody } from './body.ts'
import { jsonOf } from './chat-completions.ts'
import { eventStream, type StreamEvent } from './event-stream.ts'
import { generateOptions } from './generate-options.ts'
import { now } from './usage.ts'
import { Work, type Serving } from './work.ts'

type Item = Exclude<ResponsesBody['input'], string>[number]

/** POST /v1/responses, stateless: nothing is stored, and earlier turns come with the input. */
export async function responses(
  serving: Serving,
  body: ResponsesBody,
  closed: AbortSignal,
): Promise<Response> {
  const work = await Work.begin(serving, readRequest(body, serving), closed)
  const reply = new ResponseReply(work, body, serving.modelName)
  if (body.stream) return eventStream(reply.events(), () => work.end())
  try {
    for await (const _ of reply.events());
    return Response.json(reply.snapshot('completed'))
  } finally {
    await work.end()
  }
}

function readRequest(body: ResponsesBody, { maxTokens }: Serving): ReplyRequest {
  const spec = readCompression(body.compression)
  const format = body.text?.format
  const choice = body.tool_choice
  const input =
    typeof body.input === 'string' ? [{ role: 'user' as const, content: body.input }] : readItems(body.input)
  return {
    prompt: [
      ...(body.instructions ? [{ role: 'system' as const, content: body.instructions }] : []),
      ...input,
    ],
    tools: (body.tools ?? []).map(({ name, description, parameters }) => ({
      name,
      ...(description && { description }),
      ...(parameters && { parameters }),
    })),
    ...(choice && { toolChoice: typeof choice === 'string' ? choice : { name: choice.name } }),
    ...jsonOf(format?.type, format?.type === 'json_schema' ? format.schema : undefined),
    ...(spec && { compression: spec }),
    ...(typeof body.reuse_prefix === 'boolean' && { reuse: body.reuse_prefix }),
    generate: generateOptions(
      { temperature: body.temperature, top_p: body.top_p, max_tokens: body.max_output_tokens },
      maxTokens,
    ),
  }
}

/** Items to messages: calls that follow one another are one turn. */
function readItems(items: readonly Item[]): Message[] {
  const messages: Message[] = []
  for (const item of items) {
    const last = messages.at(-1)
    if ('output' in item)
      messages.push({ role: 'tool', content: item.output as string, tool_call_id: item.call_id as string })
    else if ('arguments' in item) {
      const call = {
        id: item.call_id,
        type: 'function',
        function: { name: item.name, arguments: item.arguments },
      }
      if (last?.role === 'assistant')
        messages[messages.length - 1] = { ...last, tool_calls: [...(last.tool_calls ?? []), call] }
      else messages.push({ role: 'assistant', content: null, tool_calls: [call] })
    } else {
      const { role, content } = item
      const text = typeof content === 'string' ? content : content.map((part) => part.text).join('')
      messages.push({ role: role === 'developer' ? 'system' : role, content: text })
    }
  }
  return messages
}

/** One reply, told as events and as a whole. */
class ResponseReply {
  private readonly work: Work
  private readonly body: ResponsesBody
  private readonly head: Readonly<Record<string, unknown>>
  private readonly output: Record<string, unknown>[] = []
  private cut = false
  private sequence = 0

  constructor(work: Work, body: ResponsesBody, model: string) {
    this.work = work
    this.body = body
    this.head = { id: `resp_${randomUUID()}`, object: 'response', created_at: now(), model }
  }

  snapshot(status: 'in_progress' | 'completed'): Record<string, unknown> {
    const { replies, tokens } = this.work
    const {
      instructions,
      temperature,
      top_p: topP,
      tools,
      tool_choice: choice,
      max_output_tokens: max,
      text,
    } = this.body
    const ended = status === 'completed'
    return {
      ...this.head,
      status: ended && this.cut ? 'incomplete' : status,
      incomplete_details: ended && this.cut ? { reason: 'max_output_tokens' } : null,
      error: null,
      output: [...this.output],
      instructions: instructions ?? null,
      max_output_tokens: max ?? null,
      metadata: {},
      parallel_tool_calls: true,
      previous_response_id: null,
      store: false,
      temperature: temperature ?? null,
      top_p: topP ?? null,
      text: text ?? { format: { type: 'text' } },
      tool_choice: choice ?? 'auto',
      tools: tools ?? [],
      truncation: 'disabled',
      usage: ended
        ? {
            input_tokens: replies.promptTokens,
            input_tokens_details: { cached_tokens: replies.cachedTokens },
            output_tokens: tokens,
            output_tokens_details: { reasoning_tokens: 0 },
            total_tokens: replies.promptTokens + tokens,
          }
        : null,
    }
  }

  async *events(): AsyncGenerator<StreamEvent, void, void> {
    yield this.event('response.created', { response: this.snapshot('in_progress') })
    yield this.event('response.in_progress', { response: this.snapshot('in_progress') })
    let text: string | undefined
    const message = { id: `msg_${randomUUID()}`, type: 'message', role: 'assistant' }
    const at = { item_id: message.id, output_index: 0, content_index: 0 }
    const part = (content: string) => ({ type: 'output_text', text: content, annotations: [], logprobs: [] })
    const ending = (): StreamEvent[] => {
      if (text === undefined) return []
      const item = { ...message, status: 'completed', content: [part(text)] }
      this.output.push(item)
      const whole = text
      text = undefined
      return [
        this.event('response.output_text.done', { ...at, text: whole, logprobs: [] }),
        this.event('response.content_part.done', { ...at, part: part(whole) }),
        this.event('response.output_item.done', { output_index: 0, item }),
      ]
    }
    for await (const event of this.work.events(0)) {
      if (event.type === 'text') {
        if (text === undefined) {
          text = ''
          yield this.event('response.output_item.added', {
            output_index: 0,
            item: { ...message, status: 'in_progress', content: [] },
          })
          yield this.event('response.content_part.added', { ...at, part: part('') })
        }
        text += event.text
        yield this.event('response.output_text.delta', { ...at, delta: event.text, logprobs: [] })
      } else if (event.type === 'call') {
        yield* ending()
        yield* this.callEvents(event.call)
      } else {
        this.cut = event.reason === 'length'
        yield* ending()
      }
    }
    yield this.event(this.cut ? 'response.incomplete' : 'response.completed', {
      response: this.snapshot('completed'),
    })
  }

  private *callEvents({ id, name, arguments: args }: ToolCall): Generator<StreamEvent, void, void> {
    const item = { id: `fc_${randomUUID()}`, type: 'function_call', call_id: id, name }
    const at = { item_id: item.id, output_index: this.output.length }
    const { output_index: index } = at
    yield this.event('response.output_item.added', {
      output_index: index,
      item: { ...item, status: 'in_progress', arguments: '' },
    })
    yield this.event('response.function_call_arguments.delta', { ...at, delta: args })
    yield this.event('response.function_call_arguments.done', { ...at, name, arguments: args })
    const done = { ...item, status: 'completed', arguments: args }
    this.output.push(done)
    yield this.event('response.output_item.done', { output_index: index, item: done })
  }

  private event(type: string, fields: Readonly<Record<string, unknown>>): StreamEvent {
    return { event: type, data: { type, sequence_number: this.sequence++, ...fields } }
  }
}
