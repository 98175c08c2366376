import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  optionsOfRun,
  prepareRun,
  readResults,
  runBenchmark,
  type BenchModel,
  tableText,
} from '@qpkv/bench-kit'
import type { Model } from '@qpkv/core'
import { printSpec } from '@qpkv/spec'
import { describe, expect, expectTypeOf, it } from 'vitest'
import {
  defaultDepths,
  demoRows,
  needle,
  needleOutcome,
  needleRow,
  needleTable,
  summarizeRows,
  writeDemoFiles,
  type NeedleResult,
  type NeedleTask,
} from '../src/index.ts'
import { fakeModel } from './fake-model.ts'
import { temporaryFolder } from './temporary-folder.ts'

const protocols = ['query-aware', 'query-agnostic'] as const
const task = (protocol: NeedleTask['protocol']): NeedleTask => ({
  protocol,
  seed: 3,
  lengths: [512, 1024],
  keys: 8,
  questions: protocol === 'query-aware' ? 1 : 4,
  depths: defaultDepths,
})
const identity = { name: 'reference', fingerprint: 'abc' }

/** Both protocols, a file each. */
async function runAll(folder: string, model = fakeModel(), samples: number | readonly number[] = 5) {
  const results: NeedleResult[] = []
  for (const protocol of protocols) {
    const rows = demoRows(protocol)
    const path = join(folder, `${protocol}.jsonl`)
    const shared = { model, identity, path, specs: rows, workers: 2 }
    const { records } = await runBenchmark(needle, { ...task(protocol), samples }, shared)
    results.push({ task: task(protocol), rows, records })
  }
  return { model, results }
}

describe('the rows of the demo', () => {
  it('are full, quantize-only, and prune-only and joint at two budgets of real bytes', () => {
    expect(demoRows('query-aware').map(({ spec }) => printSpec(spec))).toEqual([
      'none+none',
      'none+kivi:bits=8,group=32,recent=8',
      'none+kivi:bits=4,group=32,recent=8',
      'none+kivi:bits=2,group=32,recent=8',
      ...['64KiB', '128KiB'].flatMap((budget) => [
        `snapkv:window=16,kernel=7,pool=max+none@${budget}`,
        ...[8, 4, 2].map(
          (bits) => `snapkv:window=16,kernel=7,pool=max+kivi:bits=${bits},group=32,recent=8@${budget}`,
        ),
      ]),
    ])
    expect(demoRows('query-agnostic').at(-1)?.label).toBe('128 KiB: joint, 2 bit')
    expect(printSpec(demoRows('query-agnostic').at(4)?.spec ?? expect.fail())).toBe(
      'keydiff:last=8+none@64KiB',
    )
  })

  it('can be any other spec', () => {
    const row = needleRow({ prune: { method: 'x' }, quantize: { method: 'y' }, budget: { tokens: 128 } })
    expect(row).toMatchObject({ label: '128t: joint, y', kind: 'joint', bits: undefined })
    expect(needleRow({ quantize: { method: 'y', bits: 3 } }, 'mine')).toMatchObject({
      label: 'mine',
      kind: 'quantize',
      bits: 3,
    })
  })
})

describe('a run', () => {
  it('prefills each text once for all rows, asks each question on its own fork, and frees everything', async () => {
    const { model, results } = await runAll(temporaryFolder())
    expect(model.prefills).toEqual(Array.from({ length: 20 }, () => 12))
    expect(model.open).toBe(0)
    expect(results.map(({ records }) => records.length)).toEqual([120, 120])
    const aware = model.asked.filter((text) => text.split('\nQuestion:').length === 2)
    expect(aware).toHaveLength(10 * 12 + 10 * 12 * 4) // never two questions in one context
  })

  it('keeps quality and cost in every record', async () => {
    const folder = temporaryFolder()
    await runAll(folder)
    const { records, plans, header } = await readResults(join(folder, 'query-agnostic.jsonl'))
    expect(header.identity).toMatchObject({ bench: 'needle', task: { options: { keys: 8 } } })
    expect(plans.size).toBe(1)
    for (const record of records) {
      expect(record.answers).toHaveLength(4)
      expect(record.timings).toMatchObject({ prefillMs: 10, decodeMs: 32, decodeTokens: 32 })
      expect(record.bytes.grown).toBe(8 * 64)
      expect(record.peakRssBytes).toBeGreaterThan(1e6)
    }
    const specs = new Set(records.filter(({ spent }) => spent).map(({ spec }) => spec))
    expect(specs.size).toBe(8)
  })

  it('goes on in the same file without asking again, also with more texts', async () => {
    const folder = temporaryFolder()
    await runAll(folder)
    expect((await runAll(folder)).model.prefills).toEqual([])
    const { model, results } = await runAll(folder, fakeModel(), [5, 7])
    expect(model.prefills).toHaveLength(2 * 2)
    expect(results[0]?.records).toHaveLength(12 * 12)
  })

  it('can be repeated from its file', async () => {
    const folder = temporaryFolder()
    await runAll(folder)
    const file = await readResults(join(folder, 'query-agnostic.jsonl'))
    const [again] = optionsOfRun(needle, file, {})
    expect(again?.options).toEqual({ ...task('query-agnostic'), form: 'reference-world', samples: 5 })
    const tools = { model: fakeModel(), modelName: 'reference', identity, onBadRow: () => undefined }
    expect((await prepareRun(needle, again?.options, tools)).identity).toEqual(file.header.identity)
  })

  it('knows the two parts of a file of schema 1, each with its own rows', async () => {
    const folder = temporaryFolder()
    await runAll(folder)
    const [aware, agnostic] = await Promise.all(
      protocols.map((one) => readResults(join(folder, `${one}.jsonl`))),
    )
    if (!aware || !agnostic) expect.fail()
    const parts = protocols.map((one) => ({ ...task(one), samples: 5 }))
    const old = {
      ...aware,
      header: {
        ...aware.header,
        identity: { bench: 'needle', model: identity, task: { form: 'reference-world', parts } },
      },
      specs: new Map([...aware.specs, ...agnostic.specs]),
      records: [...aware.records, ...agnostic.records],
    }
    const again = optionsOfRun(needle, old, {})
    expect(again.map(({ options }) => options)).toEqual(parts)
    expect(again.map(({ results }) => results.specs.size)).toEqual([12, 12])
    expect(again[1]?.results.records).toEqual(agnostic.records)
  })

  it('frees contexts also when an answer fails', async () => {
    const model = fakeModel(() => {
      throw new Error('lost')
    })
    await expect(runAll(temporaryFolder(), model)).rejects.toThrow('lost')
    expect(model.open).toBe(0)
  })

  it('without a tokenizer says so', async () => {
    const model = { ...fakeModel(), tokenizer: undefined }
    const tools = { model, modelName: 'm', identity, onBadRow: () => undefined }
    await expect(prepareRun(needle, {}, tools)).rejects.toThrow(/tokenizer/)
  })

  it("takes @qpkv/core's model as it is", () => {
    expectTypeOf<Model>().toExtend<BenchModel>()
  })
})

describe('the summary', () => {
  it('has the numbers of the records, at one length', async () => {
    const { results } = await runAll(temporaryFolder())
    const agnostic = results[1] ?? expect.fail()
    const rows = summarizeRows(agnostic.records, agnostic.rows, 1024)
    expect(rows).toHaveLength(12)
    expect(rows[0]).toMatchObject({
      score: 1,
      right: 20,
      answers: 20,
      samples: 5,
      decodeTokensPerSecond: 1000,
    })
    const joint = rows.find(({ row }) => row.label === '64 KiB: joint, 4 bit') ?? expect.fail()
    expect(joint).toMatchObject({ tokensKept: 128, bytesPlanned: 65_536, bits: { nominal: 4, true: 4.5 } })
    expect(joint.interval.low).toBeLessThan(joint.score)
    expect(summarizeRows(agnostic.records, agnostic.rows, 4096)).toEqual([])
  })

  it('becomes a table for the page and the terminal, with the best row of each budget marked', async () => {
    const { results } = await runAll(temporaryFolder())
    const { summaries, title, verdict } = needleOutcome(results[1] ?? expect.fail())
    expect(title).toBe('text compressed once, asked 4 times (keydiff)')
    expect(verdict).toMatch(/^At 64 KiB .*; at 128 KiB .*\.$/)
    const table = needleTable(summaries, 'caption')
    expect(table.rows.filter(({ best }) => best)).toHaveLength(2)
    const lines = tableText(table).split('\n')
    expect(lines[0]).toBe('caption')
    expect(lines[1]).toMatch(/^ {2}row +tokens kept {2}bits {2}true bits/)
    expect(lines.filter((line) => line.startsWith('* ') && /\d/.test(line))).toHaveLength(2)
    expect(lines.filter((line) => line === '')).toHaveLength(2)
    expect(lines.find((line) => line.includes('full cache'))).toMatch(/100 % {2}100 % \(20\/20\)/)
  })

  it('is written as pictures, page and JSON document', async () => {
    const folder = temporaryFolder()
    const { results } = await runAll(folder)
    const files = await writeDemoFiles({
      folder: join(folder, 'out'),
      results,
      resultFiles: protocols.map((one) => join(folder, `${one}.jsonl`)),
    })
    expect(files.map(({ path }) => path.slice(path.lastIndexOf('/') + 1))).toEqual([
      'heatmaps.svg',
      'tradeoff-query-aware.svg',
      'tradeoff-query-agnostic.svg',
      'results.json',
      'report.html',
    ])
    const text = (name: string) => readFileSync(join(folder, 'out', name), 'utf8')
    expect(text('heatmaps.svg').match(/<g transform/g)).toHaveLength(24)
    expect(text('report.html')).toContain('128 KiB: joint, 2 bit')
    const documents = JSON.parse(text('results.json')) as { records: unknown[] }[]
    expect(documents.map(({ records }) => records.length)).toEqual([120, 120])
  })
})
