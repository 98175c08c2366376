import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readResults, runBenchmark, specIdOf, type NamedSpec } from '@qpkv/bench-kit'
import { loadModel, type Model } from '@qpkv/core'
import { registry } from '@qpkv/methods'
import { modelFolder } from '@qpkv/reference-model'
import { parseSpec } from '@qpkv/spec'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { generateTask, loadOwnAssets, readInputs, ruler, rulerRowLine, rulerScores } from '../../src/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'qpkv-ruler-'))
let model: Model
beforeAll(async () => {
  model = await loadModel(modelFolder, { methods: registry, threads: 2 })
})
afterAll(async () => {
  await model.dispose()
  rmSync(folder, { recursive: true })
})

const row = (text: string): NamedSpec => ({ label: text, spec: parseSpec(text) })
const full = row('none+none')
const joint = row('keydiff:last=8+kivi:bits=8,group=32,recent=8@50%')
const identity = { name: 'reference', fingerprint: 'test' }
const counter = {
  countTokens: (text: string) => model.tokenizer?.encode(text, { special: false }).length ?? 0,
}

const tasks = { tasks: ['niah_single_1', 'niah_multikey_2'], lengths: [512], samples: 2 }
let files = 0

async function run(options: object, specs = [full, joint], path = join(folder, `${files++}.jsonl`)) {
  const given = { ...tasks, ...options }
  const shared = { model, identity, specs, path, onError: 'continue' } as const
  return { ...(await runBenchmark(ruler, given, shared)), file: path }
}

describe('RULER-form tasks on the reference model', () => {
  it.each(['query-aware', 'query-agnostic'] as const)(
    'finds needles %s, with quality and cost',
    async (protocol) => {
      const { records, file } = await run({ protocol })
      expect(records).toHaveLength(8)
      const [first] = rulerScores(records, specIdOf(full.spec))
      expect(first?.scores).toEqual({ niah_single_1: 100, niah_multikey_2: 100 })
      expect(first?.label).toBe('mean of 2 of 13 RULER tasks')
      for (const record of records) {
        expect(record.facets).toMatchObject({ protocol, length: 512 })
        expect(record.bytes.planned).toBe(record.bytes.allocated)
        expect(record.timings.prefillMs).toBeGreaterThan(0)
        expect(record.timings.decodeTokens).toBeGreaterThan(0)
        expect(record.timings.appendMs > 0).toBe(protocol === 'query-agnostic')
        expect(record.peakRssBytes).toBeGreaterThan(1e6)
      }
      const kept = records.filter(({ spec }) => spec === specIdOf(joint.spec))
      for (const { tokensKept, promptTokens, bytes } of kept) {
        expect(Math.abs(tokensKept - promptTokens / 2)).toBeLessThan(2)
        expect(bytes.planned).toBeLessThan(bytes.full * 0.4)
      }
      // Results with own assets say what they are.
      expect((await readResults(file)).header.identity.task).toMatchObject({
        notice: expect.stringContaining('stand-in texts') as string,
        data: { assets: 'own' },
      })
    },
  )

  it('compresses less than the prompt when the question comes later', async () => {
    const aware = await run({ samples: 1 })
    const agnostic = await run({ samples: 1, protocol: 'query-agnostic' })
    for (const [i, record] of agnostic.records.entries())
      expect(record.promptTokens).toBeLessThan((aware.records[i]?.promptTokens ?? 0) - 20)
  })

  it('cuts the middle as QPruningKV, and asks for a limit where that code knows none', async () => {
    const one = { tasks: ['niah_single_1'], samples: 1, profile: 'qpruningkv' }
    const short = await run({ ...one, maxPromptTokens: 200 }, [full])
    expect(Math.abs((short.records[0]?.promptTokens ?? 0) - 200)).toBeLessThan(4)
    await expect(run(one)).rejects.toThrow(/no longest prompt for the model reference/)
  })

  it('goes on where it ended, and a spec that cannot work fails alone', async () => {
    const impossible = row('snapkv:window=32+none@4t')
    const path = join(folder, 'resumed.jsonl')
    const first = await run({ samples: 1 }, [full, impossible], path)
    expect(first.records).toHaveLength(2)
    expect((await readResults(path)).failures.map(({ code }) => code)).toEqual([
      'KV_BUDGET_TOO_SMALL',
      'KV_BUDGET_TOO_SMALL',
    ])
    const again = await run({ samples: 1 }, [full, joint], path)
    expect(again.records.filter(({ spec }) => spec === specIdOf(full.spec))).toEqual(first.records)
    expect((await readResults(path)).records).toHaveLength(4)
    // More samples extend the file.
    const more = await run({ samples: 2 }, [full, joint], path)
    expect(more.records).toHaveLength(8)
    expect(more.records.filter(({ sample }) => sample.endsWith('/0'))).toEqual(again.records)
  })

  it('reads data files, names a broken row by file and line, and goes on', async () => {
    const rows = generateTask('niah_single_1', {
      scripts: 'current',
      length: 512,
      samples: 2,
      tokenizer: counter,
      assets: await loadOwnAssets(),
    })
    const [a = '', b = ''] = Array.from(rows, rulerRowLine)
    const data = mkdtempSync(join(folder, '512-'))
    writeFileSync(join(data, 'niah_single_1.jsonl'), `${a}{"input": 3}\n${b}`)
    const bad: string[] = []
    const options = { tasks: ['niah_single_1'], samples: 10 } as const
    const given = await readInputs(data, { ...options, onBadRow: ({ message }) => bad.push(message) })
    expect(given.map(({ sample }) => sample.row)).toEqual([0, 2])
    expect(bad[0]).toContain('niah_single_1.jsonl:2')
    await expect(readInputs(data, options)).rejects.toThrow(/niah_single_1\.jsonl:2/)
  })
})
