import { describe, expect, it } from 'vitest'
import {
  canonicalJson,
  contentHash,
  expandGrid,
  machineFacts,
  resultFileName,
  versionFacts,
  type SweepGrid,
} from '../src/index.ts'
import { identity } from './run-data.ts'

describe('content hashes', () => {
  it('do not depend on the order of fields, and change with any value', () => {
    expect(canonicalJson({ b: [1, { d: null, c: 'x' }], a: true })).toBe(
      '{"a":true,"b":[1,{"c":"x","d":null}]}',
    )
    expect(contentHash({ a: 1, b: 2 })).toBe(contentHash({ b: 2, a: 1 }))
    expect(contentHash([1, 2])).not.toBe(contentHash([2, 1]))
    expect(contentHash({})).toMatch(/^[0-9a-f]{16}$/)
    expect(resultFileName(identity)).toMatch(/^needle-[0-9a-f]{16}\.jsonl$/)
    expect(resultFileName({ ...identity, task: {} })).not.toBe(resultFileName(identity))
  })

  it('machine and versions are named', () => {
    expect(machineFacts().cores).toBeGreaterThan(0)
    expect(versionFacts({ x: '1' })).toEqual({ x: '1', node: process.versions.node })
  })
})

const grid: SweepGrid = {
  models: ['a', 'b'],
  tasks: [{ bench: 'needle', options: { tokens: 512 } }],
  prune: [{ method: 'none' }, { method: 'snapkv', window: 16 }],
  quantize: [{ method: 'none' }, { method: 'kivi', bits: 4 }],
  budgets: [{ bytes: '64KiB' }, { tokens: 128 }],
}

describe('a sweep', () => {
  it('is one job per model and task that carries every spec', () => {
    const jobs = expandGrid(grid)
    expect(jobs.map(({ model }) => model)).toEqual(['a', 'b'])
    expect(jobs[0]?.specs.map(({ label }) => label)).toEqual([
      'none+none',
      'none+kivi:bits=4',
      'snapkv:window=16+none@64KiB',
      'snapkv:window=16+none@128t',
      'snapkv:window=16+kivi:bits=4@64KiB',
      'snapkv:window=16+kivi:bits=4@128t',
    ])
    expect(JSON.parse(JSON.stringify(jobs))).toEqual(jobs)
    expect(expandGrid(grid).map(({ id }) => id)).toEqual(jobs.map(({ id }) => id))
    expect(jobs[0]?.id).not.toBe(jobs[1]?.id)
    expect(() => expandGrid({ ...grid, models: [] })).toThrow(/at least one/)
  })
})
