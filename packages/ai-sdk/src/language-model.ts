import type {
  LanguageModelV4,
  LanguageModelV4CallOptions,
  LanguageModelV4Content,
  LanguageModelV4FinishReason,
  LanguageModelV4StreamPart,
  LanguageModelV4Usage,
  SharedV4Warning,
} from '@ai-sdk/provider'
import type { Chat, FinishReason, Replies, ReplyEvent, ReplyRequest } from '@qpkv/chat'
import { toMessages } from './prompt.ts'

/** What a call may say to this provider, as `providerOptions: { qpkv: … }`. */
export interface QpkvCallOptions {
  /** A spec as text. */
  readonly compression?: string
  /** Go on from a kept context, and keep this one. */
  readonly reuse?: boolean
  /** Variables for the chat template. */
  readonly variables?: Readonly<Record<string, unknown>>
}

/** A model in this process as the SDK's language model. */
export class QpkvLanguageModel implements LanguageModelV4 {
  readonly specificationVersion = 'v4'
  readonly provider = 'qpkv'
  readonly modelId: string
  readonly supportedUrls = {}
  private readonly chat: Chat

  constructor(chat: Chat, modelId: string) {
    this.chat = chat
    this.modelId = modelId
  }

  async doGenerate(options: LanguageModelV4CallOptions) {
    const { request, warnings } = readCall(options)
    const replies = await this.chat.open(request)
    try {
      const content: LanguageModelV4Content[] = []
      let text = ''
      let end: { reason: FinishReason; tokens: number } = { reason: 'stop', tokens: 0 }
      for await (const event of onlyReply(replies)) {
        if (event.type === 'text') text += event.text
        else if (event.type === 'call') content.push(toolCall(event))
        else end = event
      }
      return {
        content: [...(text === '' ? [] : [{ type: 'text' as const, text }]), ...content],
        finishReason: finishReason(end.reason),
        usage: usage(replies, end.tokens),
        warnings,
        response: { modelId: this.modelId, timestamp: new Date() },
      }
    } finally {
      await replies.dispose()
    }
  }

  async doStream(options: LanguageModelV4CallOptions) {
    const { request, warnings } = readCall(options)
    const replies = await this.chat.open(request)
    const parts = streamParts(replies, warnings, this.modelId)
    // A part is made when it is asked for, so a slow reader slows the model down.
    const stream = new ReadableStream<LanguageModelV4StreamPart>(
      {
        async pull(controller) {
          try {
            const { done, value } = await parts.next()
            if (done) controller.close()
            else controller.enqueue(value)
          } catch (error) {
            controller.enqueue({ type: 'error', error })
            controller.close()
          }
        },
        async cancel() {
          await parts.return()
          await replies.dispose()
        },
      },
      { highWaterMark: 0 },
    )
    return { stream }
  }
}

async function* streamParts(
  replies: Replies,
  warnings: SharedV4Warning[],
  modelId: string,
): AsyncGenerator<LanguageModelV4StreamPart, void, void> {
  const id = 'text'
  let open = false
  try {
    yield { type: 'stream-start', warnings }
    yield { type: 'response-metadata', modelId, timestamp: new Date() }
    for await (const event of onlyReply(replies)) {
      if (event.type === 'text') {
        if (!open) yield { type: 'text-start', id }
        open = true
        yield { type: 'text-delta', id, delta: event.text }
        continue
      }
      if (open) yield { type: 'text-end', id }
      open = false
      if (event.type === 'call') {
        const { id: call, name: toolName, arguments: input } = event.call
        yield { type: 'tool-input-start', id: call, toolName }
        yield { type: 'tool-input-delta', id: call, delta: input }
        yield { type: 'tool-input-end', id: call }
        yield toolCall(event)
      } else
        yield {
          type: 'finish',
          finishReason: finishReason(event.reason),
          usage: usage(replies, event.tokens),
        }
    }
  } finally {
    await replies.dispose()
  }
}

async function* onlyReply({ replies }: Replies): AsyncGenerator<ReplyEvent, void, void> {
  const [reply] = replies
  if (reply) yield* reply
}

const toolCall = ({ call }: ReplyEvent & { readonly type: 'call' }) =>
  ({ type: 'tool-call', toolCallId: call.id, toolName: call.name, input: call.arguments }) as const

const finishReason = (reason: FinishReason): LanguageModelV4FinishReason => ({ unified: reason, raw: reason })

function usage({ promptTokens, cachedTokens }: Replies, tokens: number): LanguageModelV4Usage {
  return {
    inputTokens: {
      total: promptTokens,
      noCache: promptTokens - cachedTokens,
      cacheRead: cachedTokens,
      cacheWrite: undefined,
    },
    outputTokens: { total: tokens, text: tokens, reasoning: undefined },
  }
}

/** A call as a request, and what of it is not obeyed. */
function readCall(options: LanguageModelV4CallOptions): {
  readonly request: ReplyRequest
  readonly warnings: SharedV4Warning[]
} {
  const { prompt, tools = [], toolChoice, responseFormat, abortSignal, providerOptions } = options
  const own = (providerOptions?.['qpkv'] ?? {}) as QpkvCallOptions
  const warnings: SharedV4Warning[] = []
  const offered = tools.flatMap((tool) => {
    if (tool.type === 'function')
      return [
        {
          name: tool.name,
          ...(tool.description && { description: tool.description }),
          parameters: tool.inputSchema as Record<string, unknown>,
        },
      ]
    warnings.push({ type: 'unsupported', feature: `provider tool ${tool.name}` })
    return []
  })
  if (options.reasoning !== undefined && options.reasoning !== 'provider-default')
    warnings.push({
      type: 'unsupported',
      feature: 'reasoning',
      details: 'Templates take it as a variable: providerOptions.qpkv.variables.',
    })
  const generate = {
    maxTokens: options.maxOutputTokens,
    temperature: options.temperature,
    topP: options.topP,
    topK: options.topK,
    presencePenalty: options.presencePenalty,
    frequencyPenalty: options.frequencyPenalty,
    seed: options.seed,
    stop: options.stopSequences,
  }
  const request: ReplyRequest = {
    prompt: toMessages(prompt),
    tools: offered,
    ...(toolChoice && {
      toolChoice: toolChoice.type === 'tool' ? { name: toolChoice.toolName } : toolChoice.type,
    }),
    ...(responseFormat?.type === 'json' && {
      json: { ...(responseFormat.schema && { schema: responseFormat.schema }) },
    }),
    ...(own.compression !== undefined && { compression: own.compression }),
    ...(own.reuse !== undefined && { reuse: own.reuse }),
    ...(own.variables && { variables: own.variables }),
    ...(abortSignal && { signal: abortSignal }),
    generate: Object.fromEntries(Object.entries(generate).filter(([, value]) => value !== undefined)),
  }
  return { request, warnings }
}
