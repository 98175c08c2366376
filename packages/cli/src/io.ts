import type { Readable } from 'node:stream'

/** Where a command reads and writes: data to stdout, everything said to people to stderr. */
export interface Io {
  readonly stdin: Readable & { readonly isTTY?: boolean }
  readonly stdout: Output
  readonly stderr: Output
  /** Fires on Ctrl-C. */
  readonly signal: AbortSignal
}

export interface Output {
  readonly isTTY?: boolean
  write(text: string): unknown
}

/** The process's own streams. A closed pipe (`qpkv … | head`) ends the process quietly. */
export function processIo(): Io {
  const controller = new AbortController()
  process.once('SIGINT', () => {
    controller.abort()
  })
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0)
    throw error
  })
  return { stdin: process.stdin, stdout: process.stdout, stderr: process.stderr, signal: controller.signal }
}
