import { randomUUID } from 'node:crypto'
import type { ReplyRequest, ToolCall } from '@qpkv/chat'
import type { Message, Tokenizer, TokenLogprob } from '@qpkv/core'
import { readCompression, type ChatBody } from './body.ts'
import { eventStream, type StreamEvent } from './event-stream.ts'
import { generateOptions } from './generate-options.ts'
import { now, usageOf } from './usage.ts'
import { wholeReply, wireReason } from './whole-reply.ts'
import { merged, Work, type Serving } from './work.ts'

/** POST /v1/chat/completions */
export async function chatCompletions(
  serving: Serving,
  body: ChatBody,
  closed: AbortSignal,
): Promise<Response> {
  const work = await Work.begin(serving, readRequest(body, serving), closed)
  const head = { id: `chatcmpl-${randomUUID()}`, created: now(), model: serving.modelName }
  const { tokenizer } = serving.chat.model
  if (body.stream)
    return eventStream(chunks(work, { ...head, object: 'chat.completion.chunk' }, body, tokenizer), () =>
      work.end(),
    )
  try {
    const choices = await Promise.all(
      work.replies.replies.map((_, index) => choice(work, index, body, tokenizer)),
    )
    return Response.json({ ...head, object: 'chat.completion', choices, usage: usageOf(work) })
  } finally {
    await work.end()
  }
}

function readRequest(body: ChatBody, { maxTokens }: Serving): ReplyRequest {
  const { tool_choice: choice, response_format: format, logprobs, top_logprobs: top } = body
  const spec = readCompression(body.compression)
  return {
    prompt: body.messages.map(toMessage),
    tools: (body.tools ?? []).map(({ function: { name, description, parameters } }) => ({
      name,
      ...(description && { description }),
      ...(parameters && { parameters }),
    })),
    ...(choice && { toolChoice: typeof choice === 'string' ? choice : { name: choice.function.name } }),
    ...jsonOf(format?.type, format?.type === 'json_schema' ? format.json_schema.schema : undefined),
    ...(spec && { compression: spec }),
    ...(typeof body.reuse_prefix === 'boolean' && { reuse: body.reuse_prefix }),
    ...(body.chat_template_kwargs && { variables: body.chat_template_kwargs }),
    choices: body.n ?? 1,
    generate: {
      ...generateOptions({ ...body, max_tokens: body.max_completion_tokens ?? body.max_tokens }, maxTokens),
      ...(logprobs && { logprobs: top ?? 0 }),
    },
  }
}

/** What a format asks of a reply. `json_object` is any object. */
export const jsonOf = (type: string | undefined, schema: unknown): Pick<ReplyRequest, 'json'> =>
  type === undefined || type === 'text' ? {} : { json: { schema: schema ?? { type: 'object' } } }

function toMessage(message: ChatBody['messages'][number]): Message {
  const content = Array.isArray(message.content)
    ? message.content.map(({ text }) => text).join('')
    : (message.content ?? null)
  if (message.role === 'assistant') {
    const calls = message.tool_calls ?? undefined
    return { role: 'assistant', content: content ?? (calls ? null : ''), ...(calls && { tool_calls: calls }) }
  }
  if (message.role === 'tool') return { role: 'tool', content, tool_call_id: message.tool_call_id }
  return { role: message.role === 'developer' ? 'system' : message.role, content }
}

async function choice(work: Work, index: number, { logprobs }: ChatBody, tokenizer: Tokenizer | undefined) {
  const { text, calls, told, reason } = await wholeReply(work, index)
  const message = {
    role: 'assistant',
    content: calls.length > 0 && text === '' ? null : text,
    refusal: null,
    ...(calls.length > 0 && { tool_calls: calls.map(wireCall) }),
  }
  return { index, message, logprobs: logprobs ? wireLogprobs(told, tokenizer) : null, finish_reason: reason }
}

async function* chunks(
  work: Work,
  head: Readonly<Record<string, unknown>>,
  body: ChatBody,
  tokenizer: Tokenizer | undefined,
): AsyncGenerator<StreamEvent, void, void> {
  const chunk = (
    index: number,
    delta: unknown,
    reason: string | null = null,
    told?: TokenLogprob,
  ): StreamEvent => ({
    data: {
      ...head,
      choices: [
        { index, delta, logprobs: told ? wireLogprobs([told], tokenizer) : null, finish_reason: reason },
      ],
    },
  })
  const { replies } = work.replies
  for (const index of replies.keys()) yield chunk(index, { role: 'assistant', content: '' })
  const calls = replies.map(() => 0)
  for await (const [index, event] of merged(replies.map((_, i) => work.events(i)))) {
    if (event.type === 'text') yield chunk(index, { content: event.text }, null, event.logprob)
    else if (event.type === 'call') {
      const at = calls[index] ?? 0
      calls[index] = at + 1
      yield chunk(index, { tool_calls: [{ index: at, ...wireCall(event.call) }] })
    } else yield chunk(index, {}, wireReason(event.reason))
  }
  if (body.stream_options?.include_usage) yield { data: { ...head, choices: [], usage: usageOf(work) } }
  yield { data: '[DONE]' }
}

const wireCall = ({ id, name, arguments: args }: ToolCall) => ({
  id,
  type: 'function',
  function: { name, arguments: args },
})

function wireLogprobs(told: readonly TokenLogprob[], tokenizer: Tokenizer | undefined) {
  const one = ({ token, logprob }: { readonly token: number; readonly logprob: number }) => {
    const text = tokenizer?.decode([token], { special: true }) ?? String(token)
    return { token: text, logprob, bytes: [...Buffer.from(text)] }
  }
  return {
    content: told.map((each) => ({ ...one(each), top_logprobs: each.likeliest.map(one) })),
    refusal: null,
  }
}
