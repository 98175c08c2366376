import { describe, expect, it } from 'vitest'
import { formatDuration, Progress } from '../src/index.ts'

function record(isTTY: boolean) {
  const written: string[] = []
  let time = 0
  const stream = { isTTY, write: (text: string) => written.push(text) }
  return { written, stream, now: () => time, pass: (ms: number) => (time += ms) }
}

describe('progress', () => {
  it('estimates from what it measured, not from what was there already', () => {
    const { stream, now, pass } = record(true)
    const progress = new Progress({ total: 10, label: 'needle', stream, now })
    progress.skip(4)
    pass(2000)
    progress.step()
    pass(2000)
    progress.step('2048 tokens')
    expect(progress.text()).toBe('needle ████████████░░░░░░░░ 6/10  2.0 s each  8.0 s left  2048 tokens')
  })

  it('redraws one line on a terminal and is sparing elsewhere', () => {
    for (const isTTY of [true, false]) {
      const { written, stream, now, pass } = record(isTTY)
      const progress = new Progress({ total: 100, label: 'x', stream, now })
      for (let i = 0; i < 100; i++) {
        pass(200)
        progress.step()
      }
      progress.end()
      expect(written.length).toBe(isTTY ? 103 : 4)
      expect(written.at(-1)).toBe(isTTY ? '\n' : `${progress.text()}\n`)
      expect(progress.text()).toContain('100/100  20 s in all')
    }
  })

  it('says durations as people do', () => {
    expect([850, 1250, 12_300, 200_000, 120_000, 7_500_000].map(formatDuration)).toEqual([
      '850 ms',
      '1.3 s',
      '12 s',
      '3 min 20 s',
      '2 min',
      '2 h 5 min',
    ])
  })
})
