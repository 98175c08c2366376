import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { randomUUID } from 'node:crypto'
import { KvError } from '@qpkv/spec'

interface Owner {
  readonly pid: number
  readonly host: string
  /** Kernel's start time of the process where it can be read: a reused pid is another process. */
  readonly started: string
  readonly token: string
}

/** A held lock; release it once. */
export interface FileLock {
  readonly path: string
  release(): void
}

/**
 * Takes `<path>.lock`, so that two runs never write one file. The lock of a process
 * that no longer runs on this machine is taken over.
 * @throws KvError KV_RESULT_LOCKED while another run holds it.
 */
export function lockFile(path: string): FileLock {
  const lockPath = `${path}.lock`
  const me: Owner = { pid: process.pid, host: hostname(), started: startOf(process.pid), token: randomUUID() }
  for (let attempt = 0; attempt < 5; attempt++) {
    try {
      writeFileSync(lockPath, JSON.stringify(me), { flag: 'wx' })
      return { path: lockPath, release: () => release(lockPath, me) }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    const owner = readOwner(lockPath)
    if (owner !== undefined && isRunning(owner)) throw locked(path, lockPath, owner)
    removeStale(lockPath, owner)
  }
  throw locked(path, lockPath, readOwner(lockPath))
}

function locked(path: string, lockPath: string, owner: Owner | undefined): KvError {
  const who = owner ? `process ${owner.pid} on ${owner.host}` : 'another process'
  return new KvError('KV_RESULT_LOCKED', `${path} is being written by ${who}.`, {
    hint: `Wait for it, choose another file, or delete ${lockPath} if that process is gone.`,
  })
}

function readOwner(lockPath: string): Owner | undefined {
  try {
    const owner = JSON.parse(readFileSync(lockPath, 'utf8')) as Partial<Owner> | null
    return typeof owner?.pid === 'number' && typeof owner.host === 'string' ? (owner as Owner) : undefined
  } catch {
    return undefined // gone by now, or cut off while it was written: nobody's
  }
}

function isRunning(owner: Owner): boolean {
  if (owner.host !== hostname()) return true // cannot be known from here
  try {
    process.kill(owner.pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
  }
  return owner.started === '' || startOf(owner.pid) === owner.started
}

/** Moves a stale lock away; if another run was faster and it is a fresh one, puts that back. */
function removeStale(lockPath: string, stale: Owner | undefined): void {
  const aside = `${lockPath}.${process.pid}.${randomUUID()}`
  try {
    renameSync(lockPath, aside)
    if (readOwner(aside)?.token !== stale?.token) linkSync(aside, lockPath)
    rmSync(aside, { force: true })
  } catch (error) {
    if (!['ENOENT', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
  }
}

function release(lockPath: string, me: Owner): void {
  if (readOwner(lockPath)?.token === me.token) rmSync(lockPath, { force: true })
}

/** Field 22 of /proc/PID/stat; empty where there is none. */
function startOf(pid: number): string {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? ''
  } catch {
    return ''
  }
}
