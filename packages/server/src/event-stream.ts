import { toHttpError } from './http-error.ts'

/** An event of a stream: its data as JSON, or a text as it stands. */
export interface StreamEvent {
  readonly event?: string
  readonly data: unknown
}

/**
 * Server-sent events, each made when the client has room for it: a slow reader slows its own reply down and nothing piles up.
 * `end` is called once, whichever way the stream ends. After the first byte an error can only be told as an event.
 */
export function eventStream(
  events: AsyncGenerator<StreamEvent, void, void>,
  end: () => Promise<void>,
): Response {
  const encoder = new TextEncoder()
  const write = ({ event, data }: StreamEvent) =>
    encoder.encode(
      `${event === undefined ? '' : `event: ${event}\n`}data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`,
    )
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await events.next()
          if (!done) {
            controller.enqueue(write(value))
            return
          }
        } catch (error) {
          controller.enqueue(write({ data: toHttpError(error).body }))
        }
        await end()
        controller.close()
      },
      async cancel() {
        await events.return()
        await end()
      },
    },
    { highWaterMark: 0 },
  )
  return new Response(body, {
    headers: {
      'Content-Type': 'text/event-stream; charset=utf-8',
      'Cache-Control': 'no-cache',
      'X-Accel-Buffering': 'no',
    },
  })
}
