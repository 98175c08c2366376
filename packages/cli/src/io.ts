import type { Readable } from 'node:stream'

/** Where a command reads and writes: data to stdout, everything said to people to stderr. */
export interface Io {
  readonly stdin: Readable & { readonly isTTY?: boolean }
  readonly stdout: Output
  readonly stderr: Output
  /** Fires on Ctrl-C, unless a part of the work has taken it over. */
  readonly signal: AbortSignal
  /** Lets a part of the work take Ctrl-C over; the returned function gives it back. */
  takeInterrupt(handler: () => void): () => void
}

export interface Output {
  readonly isTTY?: boolean
  write(text: string): unknown
}

/** The process's own streams. A closed pipe (`qpkv … | head`) ends the process quietly. */
export function processIo(): Io {
  const controller = new AbortController()
  const handlers: (() => void)[] = []
  process.on('SIGINT', () => {
    const handler = handlers.at(-1)
    if (handler) handler()
    else if (controller.signal.aborted)
      process.exit(130) // asked twice: at once
    else controller.abort()
  })
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0)
    throw error
  })
  return {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    signal: controller.signal,
    takeInterrupt: (handler) => {
      handlers.push(handler)
      return () => {
        handlers.splice(handlers.indexOf(handler), 1)
      }
    },
  }
}
