import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { SPEC_VERSION } from '@qpkv/spec'
import { describe, expect, it } from 'vitest'
import { readResults, ResultWriter, runSamples, upgradeLines, type LineUpgrade } from '../src/index.ts'
import { temporaryFolder } from './temporary-folder.ts'
import { answer, identity, measurement, rows, samples, versions } from './run-data.ts'

const open = (path: string, mode: 'resume' | 'replace' = 'resume') =>
  ResultWriter.open({ path, identity, versions, mode })

const code = (expected: string) => expect.objectContaining({ code: expected }) as Error

async function run(path: string, count: number): Promise<string[]> {
  const asked: string[] = []
  const writer = open(path)
  await runSamples({
    samples: samples(count),
    specs: rows,
    writer,
    ask: async ({ id }, specs) => {
      asked.push(id)
      return answer(id, specs)
    },
  })
  writer.close()
  return asked
}

describe('a result file', () => {
  it('holds header, specs, plan and one record per sample and spec', async () => {
    const path = join(temporaryFolder(), 'deep', 'r.jsonl')
    await run(path, 3)
    const results = await readResults(path)
    expect(results.header.identity).toEqual(identity)
    expect([...results.specs.values()].map(({ label }) => label)).toEqual(['full', '4 bit'])
    expect(results.plans.size).toBe(1)
    expect(results.records.map(({ sample }) => sample)).toEqual(['s0', 's0', 's1', 's1', 's2', 's2'])
    expect(results.plans.has(results.records[0]?.plan ?? '')).toBe(true)
    expect(existsSync(`${path}.lock`)).toBe(false)
  })

  it('goes on where it ended and never repeats a record', async () => {
    const path = join(temporaryFolder(), 'r.jsonl')
    expect(await run(path, 2)).toEqual(['s0', 's1'])
    expect(await run(path, 4)).toEqual(['s2', 's3'])
    expect(await run(path, 4)).toEqual([])
    expect(readFileSync(path, 'utf8').match(/"kind":"sample"/g)).toHaveLength(8)
  })

  it('refuses a calibration file that has changed since the first record, after a resume too', () => {
    const path = join(temporaryFolder(), 'r.jsonl')
    const add = (writer: ResultWriter, sample: string, calibration: string) =>
      writer.add(
        sample,
        rows.slice(1).map((row) => ({
          ...row,
          plan: { planVersion: 2, heads: 'kv', promptTokens: 500, calibration, layers: [] },
          measurement: measurement([1]),
        })),
      )
    const first = open(path)
    add(first, 's0', 'aaa')
    add(first, 's1', 'aaa')
    expect(() => add(first, 's2', 'bbb')).toThrow(code('KV_CONFLICT'))
    first.close()
    const second = open(path)
    expect(() => add(second, 's2', 'bbb')).toThrow(/begun with the calibration aaa/)
    expect(add(second, 's2', 'aaa')).toHaveLength(1)
    second.close()
  })

  it.each(['{"kind":"sam', 'not json\n', '{"kind":"sample","id":"\uD83D'])(
    'is repaired when it ends with %j',
    async (tail) => {
      const path = join(temporaryFolder(), 'r.jsonl')
      await run(path, 2)
      appendFileSync(path, tail)
      expect((await readResults(path)).records).toHaveLength(4)
      expect(await run(path, 3)).toEqual(['s2'])
      expect((await readResults(path)).records).toHaveLength(6)
      for (const line of readFileSync(path, 'utf8').trim().split('\n')) JSON.parse(line)
    },
  )

  it('loses only the sample whose write was cut', async () => {
    const path = join(temporaryFolder(), 'r.jsonl')
    await run(path, 3)
    const content = readFileSync(path)
    writeFileSync(path, content.subarray(0, content.length - 40))
    expect(await run(path, 3)).toEqual(['s2'])
    expect((await readResults(path)).records).toHaveLength(6)
  })

  it('that holds nothing but the start of a header begins again', async () => {
    const path = join(temporaryFolder(), 'r.jsonl')
    writeFileSync(path, '{"kind":"run","sch')
    expect(await run(path, 1)).toEqual(['s0'])
    expect((await readResults(path)).records).toHaveLength(2)
  })

  it('with a broken line in the middle is refused with its number, and stays as it is', async () => {
    const path = join(temporaryFolder(), 'r.jsonl')
    await run(path, 2)
    const lines = readFileSync(path, 'utf8').split('\n')
    lines[3] = '{broken'
    writeFileSync(path, lines.join('\n'))
    await expect(readResults(path)).rejects.toThrow(/r\.jsonl, line 4/)
    expect(() => open(path)).toThrow(/line 4/)
    expect(existsSync(`${path}.lock`)).toBe(false)
    expect(readFileSync(path, 'utf8')).toBe(lines.join('\n'))
  })

  it('is not overwritten unless asked, and not continued with another task or model', async () => {
    const path = join(temporaryFolder(), 'r.jsonl')
    await run(path, 1)
    const other = { ...identity, task: { seed: 2, tokens: 512 } }
    expect(() => ResultWriter.open({ path, identity: other, versions, mode: 'resume' })).toThrow(
      /another run: seed 1, now 2/,
    )
    const writer = open(path, 'replace')
    expect(writer.records).toEqual([])
    writer.close()
    writeFileSync(path, 'a letter to a friend\nwith two lines\n')
    expect(() => open(path, 'replace')).toThrow(code('KV_RESULT_FILE'))
    expect(readFileSync(path, 'utf8')).toContain('a letter')
  })

  it('of an earlier version is read, and neither gone on with nor changed', async () => {
    const path = join(temporaryFolder(), 'r.jsonl')
    await run(path, 1)
    const old = readFileSync(path, 'utf8').replace('"schemaVersion":2', '"schemaVersion":1')
    writeFileSync(path, old)
    expect((await readResults(path)).records).toHaveLength(2)
    expect(() => open(path)).toThrow(/written by an earlier version/)
    expect(readFileSync(path, 'utf8')).toBe(old)
  })

  it('whose specs are of an older version has the ids of today, and keeps the old ones', async () => {
    const path = join(temporaryFolder(), 'r.jsonl')
    await run(path, 2)
    const today = await readResults(path)
    const old = readFileSync(path, 'utf8')
      .replaceAll(`"specVersion":${SPEC_VERSION}`, '"specVersion":1')
      .replaceAll([...today.specs.keys()][0] ?? '', 'a'.repeat(16))
    writeFileSync(path, old)
    const read = await readResults(path)
    expect([...read.specs.keys()]).toEqual([...today.specs.keys()])
    expect(read.specs.get([...today.specs.keys()][0] ?? '')).toMatchObject({ legacyId: 'a'.repeat(16) })
    expect(read.records.map(({ id, spec }) => [id, spec])).toEqual(
      today.records.map(({ id, spec }) => [id, spec]),
    )
    expect(await run(path, 2)).toEqual([])
  })

  it('never mixes samples that were made from different data', async () => {
    const path = join(temporaryFolder(), 'r.jsonl')
    const ask = async (input: string) => {
      const writer = open(path)
      try {
        const some = samples(2).map((sample) => ({ ...sample, input }))
        return await runSamples({
          samples: some,
          specs: rows,
          writer,
          ask: async ({ id }, specs) => answer(id, specs),
        })
      } finally {
        writer.close()
      }
    }
    expect(await ask('aaa')).toHaveLength(4)
    expect(await ask('aaa')).toHaveLength(4)
    await expect(ask('bbb')).rejects.toThrow(/holds the sample s0, made from other data/)
    expect((await readResults(path)).records.every(({ input }) => input === 'aaa')).toBe(true)
  })

  it('of another kind, of a newer version or with a torn record is refused', async () => {
    const path = join(temporaryFolder(), 'r.jsonl')
    const header = { kind: 'run', schemaVersion: 99 }
    for (const [text, error] of [
      ['{"prediction":"x"}\n', /run header/],
      ['', /run header/],
      [`${JSON.stringify(header)}\n`, /schemaVersion 99/],
      [
        `${JSON.stringify({ ...header, schemaVersion: 1 })}\n`,
        /line 1: expected a run line with a sound versions/,
      ],
    ] as const) {
      writeFileSync(path, text)
      await expect(readResults(path)).rejects.toThrow(error)
    }
    await expect(readResults(join(path, 'gone'))).rejects.toThrow(code('KV_RESULT_FILE'))
  })

  it.each([
    ['a sample without facets', 'sample', { facets: undefined }, /sound facets but received nothing/],
    ['a score that is no number', 'sample', { answers: [{ id: 'q', scores: { exact: null } }] }, /answers/],
    ['a spec that is none', 'spec', { spec: { specVersion: 1, prune: 7 } }, /sound spec/],
    ['a label that is none', 'spec', { label: null }, /sound label but received null/],
    ['a header without a model', 'run', { identity: { bench: 'x', task: {} } }, /sound identity/],
    ['a header without a machine', 'run', { machine: [] }, /sound machine/],
  ])('with %s is refused with the line', async (_, kind, change, error) => {
    const path = join(temporaryFolder(), 'r.jsonl')
    await run(path, 1)
    const lines = readFileSync(path, 'utf8').trim().split('\n')
    const at = lines.findIndex((line) => (JSON.parse(line) as { kind: string }).kind === kind)
    lines[at] = JSON.stringify({ ...(JSON.parse(lines[at] ?? '') as object), ...change })
    writeFileSync(path, `${lines.join('\n')}\n`)
    await expect(readResults(path)).rejects.toThrow(error)
    await expect(readResults(path)).rejects.toThrow(new RegExp(`line ${at + 1}: `))
  })

  it('with a number that no number holds is refused', async () => {
    const path = join(temporaryFolder(), 'r.jsonl')
    await run(path, 1)
    writeFileSync(path, readFileSync(path, 'utf8').replace('"planned":', '"planned":1e999,"was":'))
    await expect(readResults(path)).rejects.toThrow(/sound bytes/)
  })

  it('with a spec that leaves a method out reads it as none', async () => {
    const path = join(temporaryFolder(), 'r.jsonl')
    await run(path, 1)
    writeFileSync(path, readFileSync(path, 'utf8').replaceAll('"quantize":{"method":"none"}', '"layers":[]'))
    const [first] = (await readResults(path)).specs.values()
    expect(first?.spec.quantize).toEqual({ method: 'none' })
  })

  it('of an older version is upgraded step by step', () => {
    const steps = new Map<number, LineUpgrade>([
      [1, (line) => ({ ...line, one: true })],
      [2, (line) => ({ ...line, two: true })],
    ])
    const old = [{ kind: 'run', schemaVersion: 1 }, { kind: 'sample' }]
    expect(upgradeLines(old, 'r.jsonl', steps, 3)).toEqual([
      { kind: 'run', schemaVersion: 3, one: true, two: true },
      { kind: 'sample', one: true, two: true },
    ])
    expect(() => upgradeLines([{ kind: 'run', schemaVersion: 0 }], 'r.jsonl', steps, 3)).toThrow(/no version/)
  })
})

describe('kill -9', () => {
  it('loses at most the sample in work; the next run completes the file without duplicates', async () => {
    const path = join(temporaryFolder(), 'r.jsonl')
    const script = new URL('endless-run.ts', import.meta.url).pathname
    const child = spawn(process.execPath, ['--conditions=@qpkv/source', '--import', 'tsx', script, path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let written = ''
    for await (const chunk of child.stdout) {
      written += String(chunk)
      if (written.split('\n').length > 5) break
    }
    child.kill('SIGKILL')
    await once(child, 'exit')
    const done = written.trim().split('\n')
    expect(existsSync(`${path}.lock`)).toBe(true)
    const asked = await run(path, 1000)
    for (const id of done) expect(asked).not.toContain(id)
    const { records } = await readResults(path)
    expect(records).toHaveLength(2000)
    expect(new Set(records.map(({ id }) => id)).size).toBe(2000)
    expect(readFileSync(path, 'utf8').match(/"kind":"sample"/g)).toHaveLength(2000)
  })
})

it('a measurement keeps everything it was given', async () => {
  const path = join(temporaryFolder(), 'r.jsonl')
  const writer = open(path)
  const given = { ...measurement([1, 0]), spent: { nominal: 0.9, bytes: 1 }, peakRssBytes: 5 }
  writer.add('s0', [{ label: 'full', spec: rows[0]?.spec ?? expect.fail(), measurement: given }])
  writer.close()
  expect((await readResults(path)).records[0]).toMatchObject(given)
})
