import type { ModelPrecision } from '@qpkv/core'
import { fork, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** What a prompt is read into and what follows it is timed on. */
export interface Prefill {
  /** Names of the process's own: ours, specs; the peer's, settings. One prompt serves all of ours. */
  readonly caches: readonly string[]
  readonly tokens: number
  /** Names under which the caches stay, in order; none: freed at once. */
  readonly keep?: readonly string[]
}

/** What both processes do, each call alone. Times are milliseconds, taken in the process. */
export interface Calls {
  open: (setting: {
    file: string
    threads: number
    table?: string
    precision?: ModelPrecision
    install?: string
  }) => { table?: string }
  prefill: (setting: Prefill) => number
  /** A token's time over so many, after the first; the cache is then as before. */
  decode: (setting: { cache: string; tokens: number }) => number
  /** A token's time of `count` sequences at once, each after a prompt of `prompt` tokens: all time over all tokens. */
  streams: (setting: { cache: string; count: number; prompt: number; tokens: number }) => number
  drop: (setting: { caches: readonly string[] }) => undefined
}

interface Answer {
  readonly value?: unknown
  readonly error?: string
}

/** A process that holds one model of one contender; it is idle unless it is called. */
export class Contender {
  private readonly child: ChildProcess

  constructor(readonly program: 'our-process.ts' | 'peer-process.mjs') {
    this.child = fork(fileURLToPath(new URL(program, import.meta.url)), {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
  }

  async call<Name extends keyof Calls>(
    name: Name,
    setting: Parameters<Calls[Name]>[0],
  ): Promise<ReturnType<Calls[Name]>> {
    const answer = await new Promise<Answer>((resolve) => {
      const ended = (code: number | null) => {
        resolve({ error: `the process ended with ${code}` })
      }
      this.child.once('exit', ended)
      this.child.once('message', (message) => {
        this.child.off('exit', ended)
        resolve(message as Answer)
      })
      this.child.send({ name, setting })
    })
    if (answer.error !== undefined) throw new Error(`${this.program}, ${name}: ${answer.error}`)
    return answer.value as ReturnType<Calls[Name]>
  }

  async close(): Promise<void> {
    if (this.child.exitCode !== null) return
    const ended = new Promise((resolve) => this.child.once('exit', resolve))
    this.child.disconnect()
    await ended
  }
}
