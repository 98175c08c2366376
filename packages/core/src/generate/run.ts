/** One token of a reply. */
export interface Piece {
  /** Text that this token made complete; may be empty, or more than the token's own where text was held back. */
  readonly text: string
  readonly token: number
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
  /** `stop`: a stop token or string; `length`: maxTokens; `abort`: the reader left the loop. */
  readonly finishReason: 'stop' | 'length' | 'abort'
  readonly usage: { readonly contextTokens: number; readonly newTokens: number }
  readonly timings: RunTimings
}

/** A reply on its way: read its pieces with `for await`, or wait for `result`. Leaving the loop ends the run. */
export class Run implements AsyncIterable<Piece> {
  /** Rejects with KV_ABORTED when the signal fires, and with whatever stopped the work. */
  readonly result: Promise<RunResult>
  private readonly pieces: Piece[] = []
  private wake: (() => void) | undefined
  private ended = false
  private failure: unknown
  private left = false

  /** `produce` calls `push` per token; push says whether to go on. */
  constructor(produce: (push: (piece: Piece) => boolean) => Promise<RunResult>) {
    const push = (piece: Piece): boolean => {
      this.pieces.push(piece)
      this.wake?.()
      return !this.left
    }
    this.result = produce(push).then(
      (result) => {
        this.end()
        return result
      },
      (failure: unknown) => {
        this.failure = failure
        this.end()
        throw failure
      },
    )
    // Whoever only iterates sees the failure there; it must not also count as unhandled.
    this.result.catch(() => undefined)
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Piece, void, void> {
    try {
      for (;;) {
        const piece = this.pieces.shift()
        if (piece) yield piece
        else if (this.ended) break
        else
          await new Promise<void>((resolve) => {
            this.wake = resolve
          })
      }
      if (this.failure !== undefined) throw this.failure
    } finally {
      this.left = true
    }
  }

  private end(): void {
    this.ended = true
    this.wake?.()
  }
}
