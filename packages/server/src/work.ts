import type { Chat, Replies, ReplyEvent, ReplyRequest } from '@qpkv/chat'
import { KvError } from '@qpkv/spec'
import type { Gate } from './gate.ts'
import { HttpError } from './http-error.ts'
import type { Metrics } from './metrics.ts'

/** What endpoints need of the server. */
export interface Serving {
  readonly chat: Chat
  readonly gate: Gate
  readonly metrics: Metrics
  readonly modelName: string
  readonly maxTokens: number
  readonly maxPromptTokens: number
  readonly timeoutMs: number
  /** Fires when the server gives up on what still runs. */
  readonly stopped: AbortSignal
}

/** One request at work: its replies, counted and timed. End it, always. */
export class Work {
  readonly replies: Replies
  /** Tokens of all replies, once they have finished. */
  tokens = 0
  private readonly serving: Serving
  private readonly release: () => void
  private readonly started: number
  private first: number | undefined
  private ended = false

  private constructor(serving: Serving, replies: Replies, release: () => void, started: number) {
    this.serving = serving
    this.replies = replies
    this.release = release
    this.started = started
    const { metrics } = serving
    metrics.promptTokens.inc(replies.promptTokens)
    metrics.cachedTokens.inc(replies.cachedTokens)
    metrics.working.add(replies)
  }

  /** Waits for its turn and reads the prompt. `closed` fires when the client has gone. */
  static async begin(serving: Serving, request: ReplyRequest, closed: AbortSignal): Promise<Work> {
    const started = performance.now()
    const late = AbortSignal.timeout(serving.timeoutMs)
    const signal = AbortSignal.any([closed, late, serving.stopped])
    let release: (() => void) | undefined
    try {
      release = await serving.gate.acquire(signal)
      const { maxPromptTokens } = serving
      return new Work(
        serving,
        await serving.chat.open({ ...request, signal, maxPromptTokens }),
        release,
        started,
      )
    } catch (cause) {
      release?.()
      throw explained(cause, late, serving.stopped)
    }
  }

  /** Events of one reply. */
  async *events(index: number): AsyncGenerator<ReplyEvent, void, void> {
    const reply = this.replies.replies[index]
    if (!reply) return
    const { metrics } = this.serving
    for await (const event of reply) {
      if (this.first === undefined) {
        this.first = performance.now()
        metrics.firstToken.observe((this.first - this.started) / 1000)
      }
      if (event.type === 'finish') {
        this.tokens += event.tokens
        metrics.generatedTokens.inc(event.tokens)
        const seconds = (performance.now() - this.first) / 1000
        if (event.tokens > 1 && seconds > 0) metrics.tokenRate.observe((event.tokens - 1) / seconds)
      }
      yield event
    }
  }

  /** Frees caches and the place in the queue. Safe to call twice. */
  async end(): Promise<void> {
    if (this.ended) return
    this.ended = true
    try {
      for (const reply of this.replies.replies) await reply.return()
      await this.replies.dispose()
    } finally {
      const { metrics } = this.serving
      metrics.working.delete(this.replies)
      metrics.duration.observe((performance.now() - this.started) / 1000)
      this.release()
    }
  }
}

/** A time that has run out, or a server that stops, said as such. */
function explained(cause: unknown, late: AbortSignal, stopped: AbortSignal): unknown {
  if (KvError.isInstance(cause) && cause.code !== 'KV_ABORTED') return cause
  if (stopped.aborted)
    return new HttpError(503, 'The server has stopped.', { type: 'server_error', code: 'stopping' })
  if (late.aborted)
    return new HttpError(504, 'The request took longer than this server allows.', {
      type: 'server_error',
      code: 'timeout',
    })
  return cause
}

/** Several sequences at once, items as they come. Whoever stops reading ends all of them. */
export async function* merged<T>(
  sources: readonly AsyncGenerator<T, void, void>[],
): AsyncGenerator<readonly [number, T], void, void> {
  const next = (index: number) =>
    (sources[index] as AsyncGenerator<T, void, void>).next().then((result) => ({ index, result }))
  const open = new Map(sources.map((_, index) => [index, next(index)]))
  // A failure of one that nobody waits for at that moment is seen with the next item.
  for (const one of open.values()) one.catch(() => undefined)
  try {
    while (open.size > 0) {
      const { index, result } = await Promise.race(open.values())
      if (result.done) open.delete(index)
      else {
        const following = next(index)
        following.catch(() => undefined)
        open.set(index, following)
        yield [index, result.value]
      }
    }
  } finally {
    await Promise.all([...open.keys()].map(async (index) => sources[index]?.return()))
  }
}
