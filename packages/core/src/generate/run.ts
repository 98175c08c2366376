import { throwIfAborted } from '../aborted.ts'

/** One token of a reply. */
export interface Piece {
  /** Text that this token made complete; may be empty, or more than the token's own where text was held back. */
  readonly text: string
  readonly token: number
  /** Where `logprobs` asked for it. */
  readonly logprob?: TokenLogprob
}

/** How likely the model itself held a token and others in its place; natural logarithms. */
export interface TokenLogprob {
  readonly token: number
  readonly logprob: number
  /** Best first, as many as were asked for. */
  readonly likeliest: readonly { readonly token: number; readonly logprob: number }[]
}

/** How long a reply took. */
export interface RunTimings {
  /** From the call to the first token, milliseconds. */
  readonly firstTokenMs: number
  /** Whole run, milliseconds. */
  readonly totalMs: number
  /** Decode steps per second; 0 when there was none. */
  readonly tokensPerSecond: number
}

/** A whole reply. */
export interface RunResult {
  readonly text: string
  /** All tokens chosen, the one that ended the reply included. */
  readonly tokens: readonly number[]
  /** One per token, where `logprobs` asked for it. */
  readonly logprobs?: readonly TokenLogprob[]
  /** `stop`: a stop token or string; `length`: maxTokens; `context`: the model's context is full; `abort`: the reader left the loop. */
  readonly finishReason: 'stop' | 'length' | 'context' | 'abort'
  readonly usage: { readonly contextTokens: number; readonly newTokens: number }
  readonly timings: RunTimings
}

/** What the work behind a run is told, and tells. */
export interface RunControl {
  /**
   * Whether a further token is wanted: at once where the whole result is awaited, else when a reader asks for it. Nothing
   * is chosen that nobody has asked for. False once the readers have left; rejects when the signal fires.
   */
  wanted(signal?: AbortSignal): Promise<boolean>
  push(piece: Piece): void
}

/**
 * A reply on its way: read its pieces with `for await`, or wait for `result`. Each reader sees every piece, and the model
 * goes no further than the fastest one. When the last reader leaves the loop the run has ended, and the context is free.
 */
export class Run implements AsyncIterable<Piece> {
  private readonly pieces: Piece[] = []
  private readonly outcome: Promise<RunResult>
  /** Pieces that have been asked for. */
  private asked = 0
  private readers = 0
  private left = false
  private ended = false
  /** Without a reader, or against its pace: somebody waits for the whole result. */
  private awaited = false
  private hurried = false
  private changed = deferred()

  /** `produce` asks `wanted()` before it chooses a token, and pushes one piece per token. */
  constructor(produce: (control: RunControl) => Promise<RunResult>) {
    const end = () => {
      this.ended = true
      this.notify()
    }
    this.outcome = produce({
      wanted: (signal) => this.wanted(signal),
      push: (piece) => {
        this.pieces.push(piece)
        this.notify()
      },
    }).finally(end)
    // Whoever only iterates sees the failure there; it must not also count as unhandled.
    this.outcome.catch(() => undefined)
  }

  /** The whole reply. Rejects with KV_ABORTED when the signal fires, and with whatever stopped the work. */
  get result(): Promise<RunResult> {
    this.awaited = true
    if (this.readers > 0) this.hurried = true
    this.notify()
    return this.outcome
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Piece, void, void> {
    this.readers += 1
    try {
      for (let next = 0; ; next++) {
        this.asked = Math.max(this.asked, next + 1)
        this.notify()
        while (this.pieces.length <= next && !this.ended) await this.changed.promise
        const piece = this.pieces[next]
        if (!piece) break
        yield piece
      }
      await this.outcome // a failure shows where the pieces end
    } finally {
      this.readers -= 1
      if (this.readers === 0) {
        this.left = true
        this.notify()
        await this.outcome.catch(() => undefined)
      }
    }
  }

  private async wanted(signal?: AbortSignal): Promise<boolean> {
    const wake = () => {
      this.notify()
    }
    signal?.addEventListener('abort', wake, { once: true })
    try {
      for (;;) {
        throwIfAborted(signal)
        if (this.left) return false
        if (this.hurried || (this.awaited && this.readers === 0) || this.asked > this.pieces.length)
          return true
        await this.changed.promise
      }
    } finally {
      signal?.removeEventListener('abort', wake)
    }
  }

  private notify(): void {
    const { resolve } = this.changed
    this.changed = deferred()
    resolve()
  }
}

function deferred(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve: () => void = () => undefined
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve }
}
