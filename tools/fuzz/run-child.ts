import { fork } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PROGRESS_FILE, type ChildMessage, type ChildOrder } from './child-order.ts'
import { scratchFolder } from './scratch-folder.ts'

const START_MS = 120_000
const HANG_MS = 5000
const HEAP_MB = 1024
/** What a process that had to be ended or died counts for at least: a reader that dies at every input must not read for ever. */
const LEAST_MS = 1000
const child = fileURLToPath(new URL('child.ts', import.meta.url))

export interface ChildEnd {
  /** The first iteration that was not read. */
  readonly next: number
  /** Processor time from the first input on; where only the clock knows, that. */
  readonly milliseconds: number
}

/**
 * Reads inputs in a process of its own, which may hang, crash or exhaust its heap, until the time is over or
 * onFinding answers false. Throws if that process ends or waits for two minutes before its first input.
 */
export async function runChild(
  given: Omit<ChildOrder, 'folder'>,
  onFinding: (iteration: number, error: string) => boolean,
): Promise<ChildEnd> {
  const folder = scratchFolder()
  try {
    return await watch({ ...given, folder }, onFinding)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function watch(
  order: ChildOrder,
  onFinding: (iteration: number, error: string) => boolean,
): Promise<ChildEnd> {
  // The options of this process (the TypeScript loader and the condition) hold for the child as well.
  const reader = fork(child, [JSON.stringify(order)], {
    execArgv: [...process.execArgv, `--max-old-space-size=${HEAP_MB}`],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  let said = ''
  reader.stderr?.on('data', (bytes: Buffer) => (said = (said + bytes.toString()).slice(-4000)))
  return new Promise((resolve, reject) => {
    let last = NaN
    let moved = Date.now()
    let first: number | undefined
    const look = () => {
      const now = iterationIn(order.folder)
      if (now !== undefined && now !== last) {
        last = now
        moved = Date.now()
        first ??= moved
      }
      return now
    }
    const finish = (next: number, milliseconds = Math.max(LEAST_MS, Date.now() - (first ?? Infinity))) => {
      clearInterval(timer)
      reader.removeAllListeners()
      reader.kill('SIGKILL')
      resolve({ next, milliseconds })
    }
    const giveUp = (why: string) => {
      clearInterval(timer)
      reader.kill('SIGKILL')
      reject(new Error(`the process that reads ${order.target} ${why} before its first input\n${said}`))
    }
    const timer = setInterval(() => {
      const now = look()
      const still = Date.now() - moved
      if (now === undefined) {
        if (still > START_MS) giveUp('waited for two minutes')
      } else if (still > HANG_MS) {
        onFinding(now, `hangs for more than ${HANG_MS / 1000} s`)
        finish(now + 1)
      }
    }, 200)
    reader.on('message', (message: ChildMessage) => {
      look()
      if (message.kind === 'done') finish(message.iteration, order.milliseconds)
      else if (!onFinding(message.iteration, message.error)) finish(message.iteration + 1)
    })
    reader.on('error', reject)
    // After the channel is closed, so that every message is there.
    reader.on('close', (code, signal) => {
      const now = look()
      if (now === undefined) return giveUp(`ended with ${signal ?? code}`)
      onFinding(now, `ends the process with ${signal ?? code}\n${said}`)
      finish(now + 1)
    })
  })
}

function iterationIn(folder: string): number | undefined {
  try {
    const text = readFileSync(join(folder, PROGRESS_FILE), 'utf8')
    return text === '' ? undefined : Number(text)
  } catch {
    return undefined // not there yet
  }
}
