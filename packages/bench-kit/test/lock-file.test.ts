import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { lockFile, ResultWriter } from '../src/index.ts'
import { identity, versions } from './run-data.ts'
import { temporaryFolder } from './temporary-folder.ts'

const open = (path: string) => ResultWriter.open({ path, identity, versions })
const code = (expected: string) => expect.objectContaining({ code: expected }) as Error

describe('the lock', () => {
  it('refuses a second run on the same file, and lets others go on', () => {
    const folder = temporaryFolder()
    const first = open(join(folder, 'r.jsonl'))
    expect(() => open(join(folder, 'r.jsonl'))).toThrow(code('KV_RESULT_LOCKED'))
    expect(() => open(join(folder, 'r.jsonl'))).toThrow(String(process.pid))
    open(join(folder, 'other.jsonl')).close()
    first.close()
    open(join(folder, 'r.jsonl')).close()
  })

  it('of a process that is gone is taken over; a torn one too', async () => {
    const path = join(temporaryFolder(), 'r.jsonl')
    const child = spawn(process.execPath, ['-e', ''])
    await once(child, 'exit')
    const stale = { pid: child.pid, host: hostname(), started: '', token: 'x' }
    for (const text of [JSON.stringify(stale), '{"pid":', '']) {
      writeFileSync(`${path}.lock`, text)
      lockFile(path).release()
      expect(existsSync(`${path}.lock`)).toBe(false)
    }
  })

  it('of a reused process number is taken over where start times can be read', () => {
    if (!existsSync('/proc/self/stat')) return
    const path = join(temporaryFolder(), 'r.jsonl')
    writeFileSync(
      `${path}.lock`,
      JSON.stringify({ pid: process.pid, host: hostname(), started: '1', token: 'x' }),
    )
    lockFile(path).release()
    expect(existsSync(`${path}.lock`)).toBe(false)
  })

  it('of another machine is respected', () => {
    const path = join(temporaryFolder(), 'r.jsonl')
    writeFileSync(`${path}.lock`, JSON.stringify({ pid: 1, host: 'elsewhere', started: '', token: 'x' }))
    expect(() => lockFile(path)).toThrow(/elsewhere/)
  })
})
