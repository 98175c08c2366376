import { describe, expect, it } from 'vitest'
import { lengthTable } from '../../src/metrics/length-table.ts'
import { summarizeLengths } from '../../src/metrics/ruler-summary.ts'
import { scoreTask } from '../../src/metrics/score-task.ts'
import { pythonRound } from '@qpkv/bench-kit'
import { RULER_TASKS } from '../../src/tasks/task-definitions.ts'

describe('RULER metrics', () => {
  it('refuse a task without predictions or with a sample without answers', () => {
    expect(() => scoreTask('official', 'all', [], [])).toThrow('0 predictions')
    expect(() => scoreTask('official', 'all', ['a'], [[]])).toThrow('at least one expected answer')
  })

  it('round ties to even as Python does', () => {
    expect([12.125, 12.375, 0.005, 2.675, 99.995, 1e-9].map((value) => pythonRound(value, 2))).toEqual([
      12.12, 12.38, 0.01, 2.67, 100, 0,
    ])
  })
})

describe('tables over lengths', () => {
  const at = (length: number, score: number) => RULER_TASKS.map((task) => ({ task, length, score }))

  it('never call a subset of the tasks "RULER score"', () => {
    const [subset, full] = lengthTable([...at(8192, 80), { task: 'vt', length: 4096, score: 91 }])
    expect(subset).toMatchObject({
      length: 4096,
      average: 91,
      label: 'mean of 1 of 13 RULER tasks',
      complete: false,
    })
    expect(subset?.missing).toHaveLength(12)
    expect(full).toMatchObject({
      length: 8192,
      average: 80,
      label: 'RULER score',
      complete: true,
      missing: [],
    })
  })

  it('give effective length and weighted means over full rows only', () => {
    const rows = lengthTable([...at(4096, 96), ...at(8192, 90), ...at(16384, 60)])
    expect(summarizeLengths(rows)).toEqual({
      effectiveLength: 8192,
      increasing: (96 + 2 * 90 + 3 * 60) / 6,
      decreasing: (3 * 96 + 2 * 90 + 60) / 6,
      mean: 82,
    })
    expect(summarizeLengths(rows, 99)?.effectiveLength).toBeNull()
    expect(summarizeLengths(lengthTable(at(4096, 96).slice(1)))).toBeNull()
  })
})
