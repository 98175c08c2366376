import { join } from 'node:path'
import { KvError, parseSpec, type CompressionSpec } from '@qpkv/spec'
import { describe, expect, it } from 'vitest'
import {
  choice,
  defineBenchmark,
  either,
  isBenchmark,
  numbers,
  optionsOfRun,
  path,
  prepareRun,
  protocol,
  readResults,
  resultFileName,
  runBenchmark,
  samples,
  whole,
  yesNo,
  type BenchContext,
  type BenchModel,
} from '../src/index.ts'
import { temporaryFolder } from './temporary-folder.ts'

/** A benchmark with a metric of its own: how many letters of the word come back. */
const echo = defineBenchmark({
  name: 'echo',
  about: 'says a word back',
  options: {
    words: samples({ default: 3, doc: 'How many words.' }),
    length: either(whole({ min: 1, doc: 'Letters.' }), numbers({ min: 1, max: 9, doc: '' })),
    loud: yesNo({ default: false, doc: 'In capitals.' }),
    list: path({ doc: 'Where the words are.' }),
    order: choice(['up', 'down'], { default: 'up', doc: 'Which way.' }),
    protocol: protocol(),
  },
  prepare: async ({ words, list, loud }) => ({
    samples: Array.from({ length: words }, (_, i) => ({
      id: `word/${i}`,
      facets: { place: i },
      content: `${list ?? 'own'} ${i}`,
      word: loud ? `WORD${i}` : `word${i}`,
    })),
    state: undefined,
    data: list === undefined ? {} : { list: list.length },
    notice: 'made up',
  }),
  ask: ({ word }, { model }) => ({
    ids: model.tokenizer?.encode(word) ?? [],
    questions: ['first', 'again'].map((id) => ({
      id,
      text: id,
      expected: word,
      rule: { maxTokens: 4, stopTokens: [] },
    })),
  }),
  score: (reply, { expected }) => ({
    letters: Array.from(expected).filter((letter) => reply.includes(letter)).length / expected.length,
  }),
})

/** Says the whole prompt back; `fails` are the replies of a spec that break. */
function parrot(fails: (spec: CompressionSpec) => boolean = () => false) {
  const state = { prefills: [] as number[], open: 0 }
  const context = (text: string, spec: CompressionSpec): BenchContext => {
    state.open++
    return {
      report: {
        plan: { planVersion: 2, heads: 'kv', promptTokens: 1, layers: [] },
        promptTokens: text.length,
        keptPerHead: 1,
        bits: { nominal: 16, true: 16 },
        bytes: { planned: 1, allocated: 1, grown: 0 },
        fullBytes: 1,
        spentNominal: 1,
        spentBytes: 1,
        timings: { prefillMs: 1, decodeMs: 1, decodeTokens: 1 },
      },
      append: async () => undefined,
      logits: async () => new Float32Array(1),
      appendLogits: async () => new Float32Array(0),
      generate: () => {
        if (fails(spec)) throw new KvError('KV_NUMERIC', 'Not a number.')
        return { result: Promise.resolve({ text }) }
      },
      fork: () => context(text, spec),
      dispose: async () => {
        state.open--
      },
    }
  }
  const model: BenchModel = {
    config: { contextTokens: 64 },
    chatTemplate: undefined,
    generationDefaults: { stopTokens: [] },
    tokenizer: {
      encode: (text) => Array.from(text, (char) => char.charCodeAt(0)),
      decode: (ids) => String.fromCharCode(...ids),
      idOf: () => undefined,
      specialTokens: {},
    },
    estimate: () => undefined,
    prefill: async (ids, { compression }) => {
      state.prefills.push(compression.length)
      return compression.map((spec) => context(String.fromCharCode(...ids), spec))
    },
  }
  return { model, state }
}

const identity = { name: 'm', fingerprint: 'f' }
const tools = (model = parrot().model) => ({ model, modelName: 'm', identity, onBadRow: () => undefined })
const row = (text: string) => ({ label: text, spec: parseSpec(text) })
const specs = [row('none+none'), row('none+int8')]

describe('a benchmark', () => {
  it('runs with its own metric, several questions of one prefill, and a table that nobody wrote', async () => {
    const { model, state } = parrot()
    const file = join(temporaryFolder(), 'r.jsonl')
    const { records, table } = await runBenchmark(echo, {}, { model, identity, specs, path: file })
    expect(state).toEqual({ prefills: [2, 2, 2], open: 0 })
    expect(records).toHaveLength(6)
    expect(records[0]?.answers.map(({ id, scores }) => [id, scores])).toEqual([
      ['first', { letters: 1 }],
      ['again', { letters: 1 }],
    ])
    expect(table).toMatch(
      /^spec +letters +95 % of letters +samples\n.*\nnone\+none +1\.000 +0\.610 to 1\.000 +3\n/,
    )
    expect(table).toMatch(/\(made up\)\n$/)
    expect(isBenchmark(echo)).toBe(true)
  })

  it('has an identity of settings, data and model; the number of samples is none', async () => {
    const of = async (options: object) => (await prepareRun(echo, options, tools())).identity
    const first = await of({ length: 3 })
    expect(first.task['options']).toEqual({ length: 3, loud: false, order: 'up', protocol: 'query-aware' })
    expect(await of({ length: 3, words: 9 })).toEqual(first)
    expect(resultFileName(await of({ length: 3, loud: true }))).not.toBe(resultFileName(first))
    expect(resultFileName(first)).toMatch(/^echo-query-aware-[0-9a-f]{16}\.jsonl$/)
    const named = { ...first, task: { options: { lengths: [512, 1024, 2048], seed: 3 } } }
    expect(resultFileName(named)).toMatch(/^echo-512to2048-seed3-[0-9a-f]{16}\.jsonl$/)
    const elsewhere = await of({ length: 3, list: 'b' })
    expect(elsewhere.task['paths']).toEqual(['list'])
    expect(elsewhere.task['data']).not.toEqual(first.task['data'])
  })

  it.each([
    [{}],
    [{ words: 5, length: [1, 2], loud: true, order: 'down', protocol: 'query-agnostic' }],
    [{ words: 2, list: 'somewhere' }],
  ])('goes from %j to its file and back without guessing', async (options) => {
    const { model } = parrot()
    const file = join(temporaryFolder(), 'r.jsonl')
    await runBenchmark(echo, options, { model, identity, specs, path: file })
    const results = await readResults(file)
    const paths = 'list' in options ? { list: 'somewhere' } : {}
    const [again] = optionsOfRun(echo, results, { ...paths, essays: 'of another benchmark' })
    const run = await prepareRun(echo, again?.options, tools())
    expect(run.identity).toEqual(results.header.identity)
    expect(run.sizes).toHaveLength((options as { words?: number }).words ?? 3)
    if ('list' in options) expect(() => optionsOfRun(echo, results, {})).toThrow(/read files \(list\)/)
  })

  it('a spec whose reply fails takes nothing from the others', async () => {
    const { model, state } = parrot(({ quantize }) => quantize.method === 'int8')
    const file = join(temporaryFolder(), 'r.jsonl')
    const shared = { model, identity, specs, path: file, onError: 'continue' } as const
    expect((await runBenchmark(echo, {}, shared)).records.map(({ spec }) => spec)).toHaveLength(3)
    const { failures } = await readResults(file)
    expect(failures.map(({ code, specs }) => [code, specs.length])).toEqual(
      [1, 2, 3].map(() => ['KV_NUMERIC', 1]),
    )
    expect(state.open).toBe(0)
  })

  it('names a wrong option, with the nearest known one', async () => {
    const refused = (options: unknown) => expect(prepareRun(echo, options, tools())).rejects
    await refused({ lenght: 3 }).toMatchObject({
      message: 'Unknown option echo.lenght.',
      hint: expect.stringContaining('Did you mean length?') as string,
    })
    await refused({ length: 0 }).toThrow(/a whole number of at least 1 for echo\.length but received 0/)
    await refused({ length: [0] }).toThrow(/a list of numbers from 1 to 9 for echo\.length/)
    await refused({ order: 'sideways' }).toThrow(/one of up, down for echo\.order/)
    await refused([]).toThrow(/an object of options for echo/)
  })
})
