import { specIdOf, type NamedSpec, type SampleRecord } from '@qpkv/bench-kit'
import { RULER_TASKS, rulerTable } from '../../src/index.ts'
import { parseSpec } from '@qpkv/spec'
import { describe, expect, it } from 'vitest'

const row: NamedSpec = { label: 'none+none', spec: parseSpec('none+none') }

/** One sample of each task at a length, all with this score. */
const at = (length: number, match: number, tasks: readonly string[] = RULER_TASKS): SampleRecord[] =>
  tasks.map((task) => ({
    kind: 'sample',
    id: `${length}/${task}`,
    sample: `${length}/${task}`,
    spec: specIdOf(row.spec),
    facets: { task, length },
    promptTokens: 1,
    tokensKept: 1,
    bytes: { planned: 1, allocated: 1, grown: 0, full: 1 },
    timings: { prefillMs: 1, appendMs: 0, decodeMs: 1, decodeTokens: 1 },
    answers: [{ id: 'answer', facets: {}, expected: '', reply: '', scores: { match } }],
  }))

const all = [...at(4096, 1), ...at(8192, 0.9), ...at(16384, 0.5)]

describe('the table of RULER', () => {
  it('has a score per length and the figures over lengths once all tasks are there', () => {
    const text = rulerTable(all, [row], false)
    expect(text).toMatch(/ RULER score\n/)
    expect(text).toMatch(/^none\+none +8192 .* 90\.0$/m)
    expect(text).toContain('none+none: effective length 8192 (last above 85.6); mean over lengths 80.0')
    expect(text).toContain('weights rising 71.7, falling 88.3')
    expect(rulerTable(at(4096, 0.5), [row], false)).toContain('effective length none above 85.6')
  })

  it('never calls a subset or stand-ins by that name', () => {
    expect(rulerTable(all, [row], true)).not.toMatch(/RULER score|effective/)
    const subset = rulerTable(at(4096, 1, ['vt', 'cwe']), [row], false)
    expect(subset).toContain('mean of 2 of 13 RULER tasks')
    expect(subset).not.toMatch(/RULER score|effective/)
    const mixed = rulerTable([...at(4096, 1), ...at(8192, 1, ['vt'])], [row], false)
    expect(mixed).toMatch(/100\.0 \(13 of 13\)\n.*100\.0 \(1 of 13\)/)
    expect(mixed).not.toMatch(/RULER score|effective/)
  })
})
