import { existsSync, utimesSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { withLock } from '../../src/hub/blob-lock.ts'
import { temporaryFolder } from '../support/model-folder.ts'

const wait = (ms: number) => sleep(Math.min(ms, 5))
const holder = (pid: number, host = hostname()) => JSON.stringify({ host, pid, id: 'x' })

describe('the lock of a blob', () => {
  it('lets one in at a time and is gone afterwards', async () => {
    const path = join(temporaryFolder(), 'lock')
    let inside = 0
    let most = 0
    const work = async () => {
      most = Math.max(most, ++inside)
      await sleep(10)
      inside--
    }
    await Promise.all([1, 2, 3, 4].map(() => withLock(path, wait, work)))
    expect(most).toBe(1)
    expect(existsSync(path)).toBe(false)
  })

  it('is given back when the work fails', async () => {
    const path = join(temporaryFolder(), 'lock')
    await expect(withLock(path, wait, () => Promise.reject(new Error('no')))).rejects.toThrow('no')
    expect(await withLock(path, wait, () => Promise.resolve('yes'))).toBe('yes')
  })

  it.each([
    ['of a process that is gone', holder(2 ** 30), 0],
    ['of another machine that has not been heard of', holder(1, 'elsewhere'), 60],
    ['that was never written', '', 60],
  ])('%s is taken over', async (_, content, age) => {
    const path = join(temporaryFolder(), 'lock')
    writeFileSync(path, content)
    const then = Date.now() / 1000 - age
    utimesSync(path, then, then)
    expect(await withLock(path, wait, () => Promise.resolve('in'))).toBe('in')
  })

  it('of a living process is waited for, and waiting can be cancelled', async () => {
    const path = join(temporaryFolder(), 'lock')
    writeFileSync(path, holder(process.pid))
    let waits = 0
    const impatient = () => (++waits === 3 ? Promise.reject(new Error('cancelled')) : sleep(1))
    await expect(withLock(path, impatient, () => Promise.resolve())).rejects.toThrow('cancelled')
    expect(existsSync(path)).toBe(true)
  })
})
