import { randomUUID } from 'node:crypto'
import type { ReplyRequest } from '@qpkv/chat'
import type { Tokenizer, TokenLogprob } from '@qpkv/core'
import { readCompression, type CompletionBody } from './body.ts'
import { eventStream, type StreamEvent } from './event-stream.ts'
import { generateOptions } from './generate-options.ts'
import { now, usageOf } from './usage.ts'
import { wholeReply, wireReason } from './whole-reply.ts'
import { merged, Work, type Serving } from './work.ts'

/** POST /v1/completions: one prompt, text or token ids. */
export async function completions(
  serving: Serving,
  body: CompletionBody,
  closed: AbortSignal,
): Promise<Response> {
  const work = await Work.begin(serving, readRequest(body, serving), closed)
  const head = {
    id: `cmpl-${randomUUID()}`,
    object: 'text_completion',
    created: now(),
    model: serving.modelName,
  }
  const { tokenizer } = serving.chat.model
  if (body.stream) return eventStream(chunks(work, head, body, tokenizer), () => work.end())
  try {
    const choices = await Promise.all(work.replies.replies.map((_, index) => choice(work, index, tokenizer)))
    return Response.json({ ...head, choices, usage: usageOf(work) })
  } finally {
    await work.end()
  }
}

function readRequest(body: CompletionBody, { maxTokens }: Serving): ReplyRequest {
  const [first] = body.prompt
  const prompt = typeof body.prompt === 'string' || typeof first === 'number' ? body.prompt : first
  const spec = readCompression(body.compression)
  return {
    prompt: prompt as string | number[],
    ...(spec && { compression: spec }),
    ...(typeof body.reuse_prefix === 'boolean' && { reuse: body.reuse_prefix }),
    choices: body.n ?? 1,
    generate: {
      ...generateOptions({ ...body, max_tokens: body.max_tokens ?? 16 }, maxTokens),
      ...(typeof body.logprobs === 'number' && { logprobs: body.logprobs }),
    },
  }
}

async function choice(work: Work, index: number, tokenizer: Tokenizer | undefined) {
  const { text, told, reason } = await wholeReply(work, index)
  return {
    index,
    text,
    logprobs: told.length > 0 ? wireLogprobs(told, tokenizer) : null,
    finish_reason: reason,
  }
}

async function* chunks(
  work: Work,
  head: Readonly<Record<string, unknown>>,
  body: CompletionBody,
  tokenizer: Tokenizer | undefined,
): AsyncGenerator<StreamEvent, void, void> {
  const chunk = (
    index: number,
    text: string,
    reason: string | null = null,
    told?: TokenLogprob,
  ): StreamEvent => ({
    data: {
      ...head,
      choices: [
        { index, text, logprobs: told ? wireLogprobs([told], tokenizer) : null, finish_reason: reason },
      ],
    },
  })
  for await (const [index, event] of merged(work.replies.replies.map((_, i) => work.events(i)))) {
    if (event.type === 'text') yield chunk(index, event.text, null, event.logprob)
    else if (event.type === 'finish') yield chunk(index, '', wireReason(event.reason))
  }
  if (body.stream_options?.include_usage) yield { data: { ...head, choices: [], usage: usageOf(work) } }
  yield { data: '[DONE]' }
}

function wireLogprobs(told: readonly TokenLogprob[], tokenizer: Tokenizer | undefined) {
  const text = (token: number) => tokenizer?.decode([token], { special: true }) ?? String(token)
  return {
    tokens: told.map(({ token }) => text(token)),
    token_logprobs: told.map(({ logprob }) => logprob),
    top_logprobs: told.map(({ likeliest }) =>
      Object.fromEntries(likeliest.map(({ token, logprob }) => [text(token), logprob])),
    ),
  }
}
