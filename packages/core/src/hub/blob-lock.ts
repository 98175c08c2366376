import { randomUUID } from 'node:crypto'
import { readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'

const BEAT_MS = 5000
const STALE_MS = 30_000
const POLL_MS = 200

/**
 * Runs `work` while no other process or call does so for the same path. The lock is a file that its holder touches
 * every few seconds; one whose holder is gone is taken over.
 */
export async function withLock<T>(
  path: string,
  wait: (ms: number) => Promise<void>,
  work: () => Promise<T>,
): Promise<T> {
  const own = JSON.stringify({ host: hostname(), pid: process.pid, id: randomUUID() })
  while (!(await take(path, own))) {
    if (await isStale(path)) await rm(path, { force: true })
    else await wait(POLL_MS)
  }
  const beat = setInterval(() => {
    const now = new Date()
    utimes(path, now, now).catch(() => undefined)
  }, BEAT_MS)
  beat.unref()
  try {
    return await work()
  } finally {
    clearInterval(beat)
    if ((await readFile(path, 'utf8').catch(() => '')) === own) await rm(path, { force: true })
  }
}

async function take(path: string, own: string): Promise<boolean> {
  try {
    await writeFile(path, own, { flag: 'wx' })
    return true
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw cause
  }
}

async function isStale(path: string): Promise<boolean> {
  const [found, text] = await Promise.all([
    stat(path).catch(() => undefined),
    readFile(path, 'utf8').catch(() => ''),
  ])
  if (!found) return false // released meanwhile: try again
  if (Date.now() - found.mtimeMs > STALE_MS) return true
  const holder = parse(text)
  return holder?.host === hostname() && !isRunning(holder.pid)
}

function parse(text: string): { host: string; pid: number } | undefined {
  try {
    return JSON.parse(text) as { host: string; pid: number }
  } catch {
    return undefined // being written
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code === 'EPERM'
  }
}
