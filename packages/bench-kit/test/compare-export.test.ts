import { describe, expect, it } from 'vitest'
import { compareRecords, compareResults, flatRows, toCsv, toJsonDocument } from '../src/index.ts'
import { resultsOf } from './results-of.ts'
import { rows as specsOfRun } from './run-data.ts'

describe('compare', () => {
  it('pairs by sample and lists where b is worst', async () => {
    const { records, specs } = await resultsOf(20)
    const [full, joint] = [...specs.keys()].map((id) => records.filter(({ spec }) => spec === id))
    const comparison = compareRecords(
      { label: 'full', records: full ?? [] },
      { label: 'joint', records: [...(joint ?? [])].reverse().slice(0, 18) },
      { metric: 'exact', worst: 3 },
    )
    expect(comparison).toMatchObject({ samples: 18, meanA: 1, meanB: 0.5, delta: -0.5 })
    expect(comparison.mcnemar).toMatchObject({ onlyA: 9, onlyB: 0, p: 2 / 512 })
    expect(comparison.interval.low).toBeLessThan(-0.5)
    expect(comparison.interval.high).toBeLessThan(-0.1)
    expect(comparison.worst.map(({ delta }) => delta)).toEqual([-1, -1, -1])
  })

  it('matches files spec by spec, or one with one', async () => {
    const both = await resultsOf(4)
    const rows = compareResults(both, await resultsOf(3), { metric: 'exact' })
    expect(rows.map(({ delta, pHolm }) => [delta, pHolm])).toEqual([
      [0, 1],
      [0, 1],
    ])
    const [a, b] = [await resultsOf(4, specsOfRun.slice(0, 1)), await resultsOf(4, specsOfRun.slice(1))]
    expect(compareResults(a, b, { metric: 'exact' })).toMatchObject([{ delta: -0.5 }])
    expect(() => compareResults(a, b, { metric: 'rouge' })).toThrow(/no score "rouge"/)
    const none = { ...b, specs: new Map() }
    expect(() => compareResults(both, none, { metric: 'exact' })).toThrow(/no spec in common/)
    const empty = { label: 'none', records: [] }
    expect(() => compareRecords(empty, empty, { metric: 'exact' })).toThrow(/no sample in common/)
  })
})

describe('export', () => {
  it('writes a row per answer as CSV, quoted where needed', async () => {
    const csv = toCsv(flatRows(await resultsOf(2)))
    const [head, first] = csv.split('\r\n')
    expect(head).toMatch(
      /^run,bench,model,spec,pruner,quantizer,.*sample,answer,length,depth,exact,promptTokens/,
    )
    expect(first).toContain(',needle,reference,full,none,none,s0,q0,512,0.5,1,500,82,65536,')
    expect(csv).toContain('" 7, ""quoted""\n"')
    expect(toCsv([{ a: 1 }, { b: 'x' }])).toBe('a,b\r\n1,\r\n,x\r\n')
  })

  it('writes the whole file as one JSON document', async () => {
    const document = toJsonDocument(await resultsOf(2))
    expect(Object.keys(document)).toEqual(['header', 'specs', 'plans', 'records', 'failures'])
    expect(document['records']).toHaveLength(4)
  })
})
