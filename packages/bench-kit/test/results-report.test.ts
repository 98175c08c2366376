import { join } from 'node:path'
import { parseSpec } from '@qpkv/spec'
import { describe, expect, it } from 'vitest'
import {
  bestWithin,
  budgetTables,
  bytesOf,
  curvesOf,
  frontier,
  frontiersOf,
  htmlReport,
  markdownReport,
  markdownTable,
  reportParts,
  readResults,
  resultsReport,
  ResultWriter,
  runSamples,
  specBits,
  specKind,
  summarizeSpecs,
} from '../src/index.ts'
import { againstFull } from '../src/report/against-full.ts'
import { sectionFigures } from '../src/report/section-figures.ts'
import { resultsOf } from './results-of.ts'
import { answer, identity, rows, samples, versions } from './run-data.ts'
import { temporaryFolder } from './temporary-folder.ts'
import { wellFormed } from './well-formed.ts'

async function results(name = 'reference') {
  const path = join(temporaryFolder(), 'r.jsonl')
  const model = { name, fingerprint: name }
  const writer = ResultWriter.open({ path, identity: { ...identity, model }, versions, mode: 'resume' })
  const ask = async ({ id }: { id: string }, asked: typeof rows) => answer(id, asked)
  await runSamples({ samples: samples(10), specs: rows, writer, ask })
  writer.close()
  return readResults(path)
}

describe('the report of result files', () => {
  it('has a section per model and file with table, curves and heat maps', async () => {
    const report = resultsReport([await results('b'), await results('a')])
    expect(report.sections.map(({ title }) => title)).toEqual([
      'At equal real bytes',
      'a, needle',
      'b, needle',
    ])
    expect(report.sections[1]?.figures).toHaveLength(2)
    expect(report.sections[1]?.tables?.[0]?.rows[1]?.cells.slice(0, 5)).toEqual([
      '4 bit',
      { text: '0.500', share: 0.5 },
      '0.237 to 0.763',
      '0.063', // 5 answers lost, none gained
      '10',
    ])
    wellFormed(
      htmlReport(report)
        .replace('<!doctype html>', '')
        .replaceAll(/<meta [^>]*>/g, ''),
    )
    expect(() => resultsReport([])).toThrow(/Nothing to report/)
  })

  it('tells runs of one model and benchmark apart by what differs', async () => {
    const path = join(temporaryFolder(), 'r.jsonl')
    const other = { ...identity, model: { name: 'a', fingerprint: 'a' }, task: { seed: 2 } }
    const writer = ResultWriter.open({ path, identity: other, versions, mode: 'resume' })
    const ask = async ({ id }: { id: string }, asked: typeof rows) => answer(id, asked)
    await runSamples({ samples: samples(2), specs: rows, writer, ask })
    writer.close()
    const parts = reportParts([await results('a'), await readResults(path), await results('b')])
    const titles = parts.map(({ title }) => title)
    expect(titles).toEqual(['a, needle, seed 1, tokens 512', 'a, needle, seed 2', 'b, needle'])
    expect(new Set(titles).size).toBe(3)
  })

  it('makes one part of runs that differ in their seed alone', async () => {
    const seeded = async (seed: number, keys: number) => {
      const path = join(temporaryFolder(), 'r.jsonl')
      const task = { options: { seed, keys }, paths: [], data: { first: String(seed) } }
      const writer = ResultWriter.open({ path, identity: { ...identity, task }, versions })
      const ask = async ({ id }: { id: string }, asked: typeof rows) => answer(id, asked)
      await runSamples({ samples: samples(3), specs: rows, writer, ask })
      writer.close()
      return readResults(path)
    }
    const parts = reportParts([await seeded(1, 4), await seeded(2, 4), await seeded(1, 8)])
    expect(parts.map(({ title, summaries }) => [title, summaries[0]?.samples])).toEqual([
      ['reference, needle, seeds 1 2', 6],
      ['reference, needle', 3],
    ])
  })

  it('averages datasets and tasks, not rows, and widens intervals where questions share a text', async () => {
    const file = await results()
    const first = file.records[0] ?? expect.fail()
    const of = (dataset: string, scores: readonly number[]) =>
      scores.map((score, i) => ({
        ...first,
        sample: `${dataset}/${i}`,
        facets: { dataset },
        answers: [{ ...(first.answers[0] ?? expect.fail()), scores: { score } }],
      }))
    // Nine rows of one dataset at 0.1 and three of another at 0.9: the official score is 0.5.
    const mixed = {
      ...file,
      records: [...of('a', Array(9).fill(0.1) as number[]), ...of('b', [0.8, 0.9, 1])],
    }
    const [summary] = summarizeSpecs(mixed, 'score')
    expect(summary?.score).toBeCloseTo(0.5, 10)
    const asked = (right: readonly (readonly number[])[]) => ({
      ...file,
      records: right.map((scores, i) => ({
        ...first,
        sample: `s${i}`,
        facets: {},
        answers: scores.map((exact) => ({ ...(first.answers[0] ?? expect.fail()), scores: { exact } })),
      })),
    })
    const alike =
      summarizeSpecs(
        asked([
          [1, 1],
          [0, 0],
          [1, 1],
          [0, 0],
          [1, 1],
          [0, 0],
        ]),
        'exact',
      )[0] ?? expect.fail()
    const mixedUp =
      summarizeSpecs(
        asked([
          [1, 0],
          [0, 1],
          [1, 0],
          [0, 1],
          [1, 0],
          [0, 1],
        ]),
        'exact',
      )[0] ?? expect.fail()
    expect(alike.designEffect).toBeGreaterThan(1.8)
    expect(mixedUp.designEffect).toBe(1)
    expect(alike.interval.high - alike.interval.low).toBeGreaterThan(
      mixedUp.interval.high - mixedUp.interval.low,
    )
  })

  it('lets long specs break behind their punctuation', () => {
    const spec = 'snapkv:window=16,kernel=7+kivi:bits=4,group=32,recent=8@128KiB'
    const table = { columns: [{ title: 'spec' }], rows: [{ cells: [spec] }] }
    const page = htmlReport({ title: 'T', sections: [{ title: 'S', tables: [table] }] })
    expect(page).toContain(
      'snapkv:window=16,<wbr>kernel=7+<wbr>kivi:bits=4,<wbr>group=32,<wbr>recent=8<wbr>@128KiB',
    )
  })

  it('sums up each spec, and knows whether scores are shares or right and wrong', async () => {
    const file = await results()
    const [full, joint] = summarizeSpecs(file, 'exact')
    expect(full).toMatchObject({
      samples: 10,
      answers: 10,
      score: 1,
      decodeTokensPerSecond: 400,
      prefillTokensPerSecond: 5000,
    })
    expect(joint).toMatchObject({ score: 0.5, bytesPlanned: 65_536, tokensKept: 82, bits: undefined })
    expect(summarizeSpecs(file, 'rouge')).toEqual([])
    const shares = file.records.map((record) => ({
      ...record,
      answers: record.answers.map((one) => ({ ...one, scores: { rouge: 0.5 } })),
    }))
    expect(summarizeSpecs({ ...file, records: shares }, 'rouge')[0]?.interval).toEqual({
      low: expect.closeTo(0.3458, 4) as number,
      high: expect.closeTo(0.6542, 4) as number,
    })
  })

  it('draws a curve per pruner and width', async () => {
    const curves = curvesOf(summarizeSpecs(await results(), 'exact'))
    expect(curves).toMatchObject([
      { label: 'full cache', kind: 'full' },
      { label: 'snapkv + 4 bit', kind: 'joint', bits: 4, points: [{ bytes: 65_536, score: 0.5 }] },
    ])
  })

  it('never joins different quantizers or group sizes into one curve', async () => {
    const [, joint] = summarizeSpecs(await results(), 'exact')
    const row = (text: string) => ({
      ...(joint ?? expect.fail()),
      spec: { ...(joint ?? expect.fail()).spec, spec: parseSpec(text) },
    })
    const curves = curvesOf(
      [
        'snapkv+kivi:bits=4@64KiB',
        'snapkv+kivi:bits=4@128KiB',
        'snapkv+kivi:bits=4,group=64@64KiB',
        'snapkv+x:bits=2@64KiB',
      ].map(row),
    )
    expect(curves.map(({ label, points }) => [label, points.length])).toEqual([
      ['snapkv + kivi:bits=4', 2],
      ['snapkv + kivi:bits=4,group=64', 1],
      ['snapkv + 2 bit', 1],
    ])
  })

  it('keeps the rows of a kind that no cheaper one beats, at real and at nominal bytes', async () => {
    const [full, joint] = summarizeSpecs(await results(), 'exact')
    if (!full || !joint) throw new Error('expected two rows')
    const row = (bytesPlanned: number, score: number, tokensKept = 100) => ({
      ...joint,
      bytesPlanned,
      score,
      tokensKept,
      bits: { nominal: 4, true: 5 },
    })
    const rows = [row(300, 0.5), row(100, 0.4), row(200, 0.7, 50), row(200, 0.6)]
    expect(frontier(rows, 'joint').map(({ bytesPlanned, score }) => [bytesPlanned, score])).toEqual([
      [100, 0.4],
      [200, 0.7],
    ])
    // 50 of 1000 tokens at 4 of 16 bits is 1/80 of the full cache, and it is the cheapest row by this count.
    const nominal = frontier(rows, 'joint', 'nominal')
    expect(nominal).toEqual([rows[2]])
    expect(nominal.map((one) => bytesOf(one, 'nominal') / one.bytesFull)).toEqual([
      (50 / joint.promptTokens) * (4 / 16),
    ])
    expect(frontiersOf([full, ...rows]).map(({ label }) => label)).toEqual(['full cache', 'joint'])
    expect(bestWithin([full, ...rows], 'joint', 150 / joint.bytesFull)?.score).toBe(0.4)
    expect(bestWithin(rows, 'prune', 1)).toBeUndefined()
  })

  it('sets methods against budgets, real bytes and nominal bits apart', async () => {
    const [, joint] = summarizeSpecs(await results(), 'exact')
    if (!joint) throw new Error('expected a joint row')
    const row = (text: string, score: number) => ({
      ...joint,
      score,
      spec: { ...joint.spec, spec: parseSpec(text) },
    })
    const rows = [
      row('snapkv+kivi:bits=4@128KiB', 0.9),
      row('snapkv+kivi:bits=4@64KiB', 0.5),
      row('h2o+none@1MiB', 0.7),
      row('snapkv+none@64x16', 0.4),
      row('snapkv+none@8x16', 0.2),
    ]
    const [bytes, nominal, ...more] = budgetTables(rows, 'exact')
    expect(more).toEqual([])
    expect(bytes?.columns.map(({ title }) => title)).toEqual(['method', '64KiB', '128KiB', '1MiB'])
    expect(bytes?.rows.map(({ cells }) => cells[0])).toEqual(['snapkv + kivi:bits=4', 'h2o + 16 bit'])
    expect(bytes?.rows[1]).toMatchObject({ cells: [{}, 'does not fit', 'does not fit', { share: 0.7 }] })
    expect(nominal?.rows).toHaveLength(1)
    expect(markdownTable({ columns: [{ title: 'a|b', align: 'right' }], rows: [{ cells: ['x|y'] }] })).toBe(
      '| a|b |\n| ---: |\n| x\\|y |',
    )
    const parts = reportParts([await results()])
    const text = markdownReport(parts, { pictureLink: (_, name) => `p/${name}.svg` })
    expect(text).toContain('## At equal real bytes')
    expect(text).toContain('![reference, needle: snapkv](p/snapkv.svg)')
    expect(text).not.toContain('tok/s')
    expect(text).toContain('10 samples, 10 answers a row, score `exact`.')
  })

  it('draws a pruner once at real bytes and once at nominal ones, each with the rows of its budgets', async () => {
    const file = await results()
    const [full, joint] = summarizeSpecs(file, 'exact')
    if (!full || !joint) throw new Error('expected two rows')
    const named = (budgets: readonly string[]) =>
      sectionFigures(
        file,
        [
          full,
          ...budgets.map((budget) => ({
            ...joint,
            spec: { ...joint.spec, spec: parseSpec(`snapkv+kivi:bits=4@${budget}`) },
          })),
        ],
        'exact',
        '',
      )
    const points = (svg = '') => svg.split('<circle').length
    const both = named(['64KiB', '128KiB', '64x16'])
    const only = named(['64KiB', '128KiB'])
    expect(only.map(({ name }) => name)).toEqual(['snapkv', 'heatmaps'])
    expect(both.map(({ name }) => name)).toEqual(['snapkv', 'snapkv-nominal', 'heatmaps'])
    expect(both[0]?.svg).toBe(only[0]?.svg)
    expect(points(both[1]?.svg)).toBe(points(both[0]?.svg) - 1)
  })

  it('adjusts the tests of a table for each other', async () => {
    const more = ['2 bit', '1 bit'].map((label, i) => ({ label, spec: parseSpec(`none+kivi:bits=${2 - i}`) }))
    const file = await resultsOf(20, [...rows, ...more])
    const compared = againstFull(file, summarizeSpecs(file, 'exact'), 'exact')
    expect([...compared.values()].map(({ p }) => p)).toEqual([2 ** -9, 2 ** -9, 2 ** -9])
    expect([...compared.values()].map(({ pHolm }) => pHolm)).toEqual([3 * 2 ** -9, 3 * 2 ** -9, 3 * 2 ** -9])
    const alone = await resultsOf(4, rows.slice(1))
    expect(againstFull(alone, summarizeSpecs(alone, 'exact'), 'exact').size).toBe(0)
  })

  it('tells what a spec changes', () => {
    const kinds = ['none+none', 'none+kivi:bits=4', 'snapkv+none@64t', 'snapkv+kivi@64t'].map((text) =>
      parseSpec(text),
    )
    expect(kinds.map((spec) => specKind(spec))).toEqual(['full', 'quantize', 'prune', 'joint'])
    expect(kinds.map((spec) => specBits(spec))).toEqual([16, 4, 16, undefined])
  })
})
