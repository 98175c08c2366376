import { HttpError } from './http-error.ts'

/** Lets a number of requests work at once; others wait in their order, those beyond get 429. */
export class Gate {
  private readonly concurrent: number
  private readonly limit: number
  private readonly waiting: { readonly go: () => void; readonly fail: (error: unknown) => void }[] = []
  private running = 0
  private closed = false
  private empty: (() => void)[] = []

  constructor(concurrent: number, queue: number) {
    this.concurrent = concurrent
    this.limit = queue
  }

  get counts() {
    return { running: this.running, waiting: this.waiting.length }
  }

  /** Waits for a place; what comes back gives it up, and does nothing when called again. */
  async acquire(signal: AbortSignal): Promise<() => void> {
    if (this.closed) throw stopping()
    signal.throwIfAborted()
    if (this.running >= this.concurrent) await this.wait(signal)
    else this.running++
    let released = false
    return () => {
      if (released) return
      released = true
      this.release()
    }
  }

  /** Gives no further places; resolves when all are given up. */
  async close(): Promise<void> {
    this.closed = true
    for (const { fail } of this.waiting.splice(0)) fail(stopping())
    if (this.running > 0) await new Promise<void>((resolve) => this.empty.push(resolve))
  }

  private wait(signal: AbortSignal): Promise<void> {
    if (this.waiting.length >= this.limit)
      throw new HttpError(
        429,
        `${this.running} requests are at work and ${this.waiting.length} wait; try again later.`,
        {
          type: 'rate_limit_error',
          code: 'queue_full',
          headers: { 'Retry-After': '1' },
        },
      )
    return new Promise((resolve, reject) => {
      const end = () => {
        signal.removeEventListener('abort', abort)
      }
      const entry = {
        go: () => {
          end()
          resolve()
        },
        fail: (error: unknown) => {
          end()
          reject(error)
        },
      }
      const abort = () => {
        this.waiting.splice(this.waiting.indexOf(entry), 1)
        entry.fail(signal.reason)
      }
      signal.addEventListener('abort', abort, { once: true })
      this.waiting.push(entry)
    })
  }

  private release(): void {
    const next = this.waiting.shift()
    if (next) next.go()
    else this.running--
    if (this.running === 0) for (const resolve of this.empty.splice(0)) resolve()
  }
}

const stopping = () =>
  new HttpError(503, 'The server is stopping.', {
    type: 'server_error',
    code: 'stopping',
    headers: { 'Retry-After': '5' },
  })
