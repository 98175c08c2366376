import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { prepareRun, readResults, runBenchmark, specIdOf, type NamedSpec } from '@qpkv/bench-kit'
import { loadModel, type Model } from '@qpkv/core'
import { registry } from '@qpkv/methods'
import { modelFolder } from '@qpkv/reference-model'
import { parseSpec } from '@qpkv/spec'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  englishDatasets,
  findPredictionFiles,
  longBench,
  longBenchScores,
  scorePredictionFile,
  standInInputs,
  standInNotice,
  writePredictions,
} from '../../src/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'qpkv-longbench-'))
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
const standIns = { standIns: true, rows: 1, size: 4 }

async function run(options: object, path: string) {
  const shared = { model, identity, specs: [full, joint], path, onError: 'continue' } as const
  const given = { ...standIns, datasets: names, ...options }
  return (await runBenchmark(longBench, given, shared)).records
}

const names = englishDatasets.map(({ name }) => name)

describe('LongBench-form rows on the reference model', () => {
  const inputs = standInInputs(names, { seed: 1, rows: 1, size: 4 })

  it.each([
    ['official', 'query-aware'],
    ['official', 'query-agnostic'],
    ['qpruningkv', 'query-aware'],
    ['kvcache-factory', 'query-agnostic'],
    ['kvpress', 'query-agnostic'],
  ] as const)('%s, %s: every dataset gets a score and a cost', async (profile, protocol) => {
    const path = join(folder, `${profile}-${protocol}.jsonl`)
    const records = await run({ profile, protocol, maxPromptTokens: 2000, newTokens: 4 }, path)
    const { failures, header } = await readResults(path)
    expect(failures).toEqual([])
    expect(records).toHaveLength(2 * englishDatasets.length)
    expect(Object.keys(longBenchScores(records, specIdOf(joint.spec)))).toHaveLength(16)
    expect(header.identity.task).toMatchObject({ notice: standInNotice })
    for (const { answers, bytes, timings, promptTokens, spec, tokensKept } of records) {
      expect(answers[0]?.scores['score']).toBeGreaterThanOrEqual(0)
      expect(bytes.planned).toBe(bytes.allocated)
      expect(timings.prefillMs).toBeGreaterThan(0)
      if (spec === specIdOf(joint.spec)) expect(Math.abs(tokensKept - promptTokens / 2)).toBeLessThan(2)
    }
  })

  it('puts the answer prefix of kvpress behind the template, and cuts after the context', async () => {
    const one = inputs.filter(({ dataset }) => dataset.name === 'hotpotqa')
    const text = async (options: object) => {
      const values = { ...standIns, protocol: 'query-aware', datasets: ['hotpotqa'], ...options }
      const tools = { model, modelName: 'reference', identity, onBadRow: () => undefined }
      const prepared = await longBench.prepare(values, tools)
      const run = {
        options: values as never,
        state: prepared.state,
        model,
        modelName: 'reference',
        notice: '',
      }
      const prompt = await longBench.ask(prepared.samples[0] ?? expect.fail(), run)
      return {
        before: model.tokenizer?.decode([...prompt.ids], { special: true }) ?? '',
        rest: prompt.questions[0]?.text ?? '',
      }
    }
    const aware = await text({ profile: 'kvpress', protocol: 'query-aware' })
    expect(aware.before).toMatch(/<\|eot_id\|><\|start_header_id\|>assistant<\|end_header_id\|>\n\nAnswer:$/)
    expect(aware.rest).toBe('')
    const agnostic = await text({ profile: 'kvpress', protocol: 'query-agnostic' })
    expect(agnostic.before + agnostic.rest).toBe(aware.before)
    expect(agnostic.before.endsWith(one[0]?.row.context.trimEnd() ?? '?')).toBe(true)
    expect(agnostic.before).toMatch(/^<\|begin_of_text\|>/)
    expect(agnostic.rest).not.toContain('<|begin_of_text|>')
    const raw = await text({ profile: 'qpruningkv', protocol: 'query-aware', maxPromptTokens: 60 })
    expect(raw.before).not.toContain('<|start_header_id|>')
    expect(model.tokenizer?.encode(raw.before, { special: false }).length).toBeLessThan(66)
  })

  it('never ends at the first token where the profile forbids it', async () => {
    const rules = {
      profile: 'qpruningkv',
      protocol: 'query-aware',
      maxPromptTokens: 2000,
      newTokens: 3,
    } as const
    const records = await run(rules, join(folder, 'min.jsonl'))
    for (const { answers } of records) expect(answers[0]?.reply).not.toBe('')
  })

  it('writes the layouts of the originals, which score alike', async () => {
    const rules = {
      profile: 'official',
      protocol: 'query-aware',
      maxPromptTokens: 2000,
      newTokens: 4,
    } as const
    const records = await run(rules, join(folder, 'official-query-aware.jsonl'))
    const mine = records.filter(({ spec }) => spec === specIdOf(full.spec))
    const written = writePredictions(folder, mine, inputs, { layout: 'official', model: 'reference' })
    expect(written).toHaveLength(16)
    const scores = longBenchScores(records, specIdOf(full.spec))
    for (const file of await findPredictionFiles(join(folder, 'pred', 'reference')))
      expect((await scorePredictionFile(file)).score).toBe(scores[file.request.facts.name])
    const [line = ''] = readFileSync(written[0] ?? '', 'utf8').split('\n')
    expect(Object.keys(JSON.parse(line) as object)).toEqual(['pred', 'answers', 'all_classes', 'length'])
  })

  it('records a row that fails with its place, and does the rest', async () => {
    const data = mkdtempSync(join(folder, 'data-'))
    const row = (id: string, context: string) =>
      JSON.stringify({
        input: 'Who?',
        context,
        answers: ['a'],
        length: 3,
        dataset: 'hotpotqa',
        language: 'en',
        all_classes: null,
        _id: id,
      })
    writeFileSync(
      join(data, 'hotpotqa.jsonl'),
      `${row('long', 'word '.repeat(9000))}\n${row('short', 'word '.repeat(60))}\n`,
    )
    writeFileSync(
      join(data, 'dataset2prompt.json'),
      JSON.stringify({ hotpotqa: '{context}\n{input}\nAnswer:' }),
    )
    writeFileSync(join(data, 'dataset2maxlen.json'), JSON.stringify({ hotpotqa: 2 }))
    const path = join(folder, 'broken.jsonl')
    const options = {
      standIns: false,
      rows: 2,
      size: undefined,
      data,
      datasets: ['hotpotqa'],
      profile: 'kvpress',
    }
    expect(await run(options, path)).toHaveLength(2)
    const { failures } = await readResults(path)
    expect(failures[0]).toMatchObject({ code: 'KV_PROMPT_TOO_LONG' })
    expect(failures[0]?.message).toMatch(/hotpotqa\.jsonl, row 1 \(long\): The prompt has/)
    // Other rows under the same names are another run.
    writeFileSync(join(data, 'hotpotqa.jsonl'), `${row('long', 'other')}\n${row('short', 'words')}\n`)
    await expect(run(options, path)).rejects.toThrow(/holds another run: data/)
  })

  it('says what is missing before anything is asked', async () => {
    const tools = { model, modelName: 'reference', identity, onBadRow: () => undefined }
    await expect(prepareRun(longBench, {}, tools)).rejects.toThrow(/either a data path or stand-ins/)
    await expect(prepareRun(longBench, { ...standIns, datasets: ['nosuch'] }, tools)).rejects.toThrow(
      /nosuch/,
    )
  })
})
