import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { prepareRun, runBenchmark, type BenchPrompt, type BenchRun } from '@qpkv/bench-kit'
import { describe, expect, it } from 'vitest'
import {
  demoRows,
  depthGrid,
  insertNeedles,
  joinEssays,
  lengthGrid,
  needle,
  promptForms,
  readEssays,
  renderPrompt,
  scoreReply,
  worldHaystack,
  type TextCodec,
} from '../src/index.ts'
import { fakeModel, tokenizer } from './fake-model.ts'
import { temporaryFolder } from './temporary-folder.ts'

/** A word or a dot is a token. */
const words: string[] = []
const codec: TextCodec = {
  encode: (text) =>
    (text.match(/\.|[^\s.]+/g) ?? []).map((word) => {
      if (!words.includes(word)) words.push(word)
      return words.indexOf(word)
    }),
  decode: (ids) => ids.map((id) => words[id]).join(' '),
}

describe('lengths and depths', () => {
  it("are the papers': 71 lengths for Llama 3, 80 for Mistral, ten depths", () => {
    const llama = lengthGrid({ from: 1000, to: 8001, step: 100 })
    expect([llama.length, llama[0], llama.at(-1)]).toEqual([71, 1000, 8000])
    const mistral = lengthGrid({ from: 400, to: 32_001, step: 400 })
    expect([mistral.length, mistral.at(-1)]).toEqual([80, 32_000])
    expect(depthGrid(10)).toEqual([0, 11, 22, 33, 44, 56, 67, 78, 89, 100])
    expect(depthGrid(35).length).toBe(35)
  })

  it('round halves to even as numpy does', () => {
    expect(depthGrid(9)).toEqual([0, 12, 25, 38, 50, 62, 75, 88, 100])
  })

  it('lie denser at the ends in the sigmoid schedule', () => {
    expect(depthGrid(5, 'sigmoid')).toEqual([0, 7.586, 50, 92.414, 100])
    expect(depthGrid(1)).toEqual([0])
  })

  it('are refused when they make no grid', () => {
    expect(() => lengthGrid({ from: 10, to: 5, step: 1 })).toThrow(/from <= to/)
    expect(() => lengthGrid({ from: 1, to: 5, step: 0 })).toThrow(/step/)
    expect(() => depthGrid(0)).toThrow(/at least 1/)
  })
})

describe('inserting', () => {
  const base = { codec, haystack: 'a b . c d . e f . g h', needles: ['N N2 .'], length: 100, buffer: 10 }

  it.each([
    [0, 'N N2 . a b . c d . e f . g h'],
    [20, 'N N2 . a b . c d . e f . g h'], // token 2, no sentence ends before it
    [30, 'a b . N N2 . c d . e f . g h'], // token 3, right behind a dot
    [50, 'a b . N N2 . c d . e f . g h'], // token 5, back to 3
    [60, 'a b . c d . N N2 . e f . g h'],
    [99, 'a b . c d . e f . N N2 . g h'],
    [100, 'a b . c d . e f . g h N N2 .'],
  ])('at %i per cent walks back to the last sentence end', (depth, text) => {
    expect(insertNeedles({ ...base, depth }).text).toBe(text)
  })

  it('cuts the haystack so that needle and buffer fit', () => {
    expect(insertNeedles({ ...base, depth: 100, length: 16 }).text).toBe('a b . N N2 .')
    expect(() => insertNeedles({ ...base, depth: 0, length: 12 })).toThrow(
      expect.objectContaining({ hint: 'Use at least 13 tokens.' }) as Error,
    )
  })

  it('spreads several needles behind the first and says where they ended up', () => {
    const result = insertNeedles({ ...base, needles: ['N .', 'M .'], depth: 30 })
    expect(result.text).toBe('a b . N . c d . M . e f . g h')
    expect(result.depths).toEqual([(100 * 3) / 15, (100 * 8) / 15])
    const last = insertNeedles({ ...base, needles: ['N .', 'M .'], depth: 100 })
    expect(last.text).toBe('a b . c d . e f . g h N . M .')
  })

  it('takes given ids as sentence ends', () => {
    const ends = codec.encode('d')
    expect(insertNeedles({ ...base, depth: 90, sentenceEnds: ends }).text).toBe(
      'a b . c d N N2 . . e f . g h',
    )
  })
})

describe('haystacks', () => {
  it('come from a folder of essays by name, again from the first when they are short', async () => {
    const folder = temporaryFolder()
    writeFileSync(join(folder, 'b.txt'), 'Second. ')
    writeFileSync(join(folder, 'a.txt'), 'First one. ')
    writeFileSync(join(folder, 'c.md'), 'No.')
    const essays = await readEssays(folder)
    expect(essays).toEqual(['First one. ', 'Second. '])
    expect(joinEssays(essays, 7, codec)).toBe('First one. Second. First one. ')
    expect((await readEssays(folder, 'listed')).sort((x, y) => (x < y ? -1 : 1))).toEqual(essays)
  })

  it('that are missing, empty or not UTF-8 are named', async () => {
    const folder = temporaryFolder()
    await expect(readEssays(join(folder, 'gone'))).rejects.toThrow(/gone/)
    mkdirSync(join(folder, 'empty'))
    await expect(readEssays(join(folder, 'empty'))).rejects.toThrow(/no.*|none/)
    writeFileSync(join(folder, 'x.txt'), Buffer.from([0xff, 0xfe, 0x41]))
    await expect(readEssays(folder)).rejects.toThrow(/x\.txt:1: expected UTF-8/)
    expect(() => joinEssays([' ', ''], 5, codec)).toThrow(/no text/)
  })

  it('of the bundled world are seeded and hold no fact', () => {
    const text = worldHaystack(1, 300, codec)
    expect(codec.encode(text).length).toBeGreaterThanOrEqual(300)
    expect(worldHaystack(1, 300, codec)).toBe(text)
    expect(worldHaystack(2, 300, codec)).not.toBe(text)
    expect(text).not.toContain('special magic')
  })
})

const options = {
  form: 'plain',
  seed: 5,
  lengths: [400, 600],
  depths: [0, 50, 100],
  needles: [' The special magic number for amber-acorn is: 1234567.'],
  question: 'The special magic number for amber-acorn is',
  expected: '1234567',
}
const identity = { name: 'm', fingerprint: 'f' }

/** The prompts of a grid as they are put, with what is appended to each. */
async function prompts(given: object) {
  const model = fakeModel()
  const tools = { model, modelName: 'm', identity, onBadRow: () => undefined }
  const values = { ...options, protocol: 'query-aware' as const, ...given }
  const prepared = await needle.prepare(values, tools)
  const run: BenchRun<never, unknown> = {
    options: values as never,
    state: prepared.state,
    model,
    modelName: 'm',
    notice: undefined,
  }
  const asked: (BenchPrompt & { readonly depth: number; readonly length: number; readonly text: string })[] =
    []
  for (const sample of prepared.samples) {
    const prompt = await needle.ask(sample, run)
    const { depth, length } = sample.facets
    const text = tokenizer.decode(prompt.ids, { special: true })
    asked.push({ ...prompt, text, depth: Number(depth), length: Number(length) })
  }
  return { asked, ids: prepared.samples.map(({ id }) => id) }
}

describe('a grid', () => {
  it('has a sample per length and depth whose prompt holds needle and question', async () => {
    const { asked, ids } = await prompts({})
    expect(ids).toEqual(
      [400, 600].flatMap((length) => [0, 50, 100].map((depth) => `grid/query-aware/${length}-${depth}`)),
    )
    for (const { text, depth, length } of asked) {
      const at = text.indexOf('amber-acorn is: 1234567.')
      expect(Math.abs((100 * at) / text.length - depth)).toBeLessThan(16)
      expect(text.endsWith('\nThe special magic number for amber-acorn is')).toBe(true)
      expect(tokenizer.encode(text).length).toBeLessThanOrEqual(length - 200 + 20)
    }
  })

  it('runs with one prefill per cell and all three scores', async () => {
    const model = fakeModel()
    const path = join(temporaryFolder(), 'r.jsonl')
    const specs = demoRows('query-aware').slice(0, 2)
    const { records, table } = await runBenchmark(needle, options, { model, identity, path, specs })
    expect(model.prefills).toEqual([2, 2, 2, 2, 2, 2])
    expect(records).toHaveLength(12)
    expect(records[0]?.answers[0]?.scores).toMatchObject({ exact: 1, rouge1: expect.any(Number) as number })
    expect(table).toContain('no benchmark score')
  })

  it('asked afterwards compresses the text alone, chat prefix included, and appends the rest', async () => {
    const aware = (await prompts({ form: 'llama-3' })).asked[1] ?? expect.fail()
    const agnostic =
      (await prompts({ form: 'llama-3', protocol: 'query-agnostic' })).asked[1] ?? expect.fail()
    expect(aware.questions[0]?.text).toBe('')
    expect(agnostic.text + agnostic.questions[0]?.text).toBe(aware.text)
    expect(agnostic.text.startsWith('<|begin_of_text|>')).toBe(true)
    expect(agnostic.questions[0]?.text.startsWith(' </book>')).toBe(true)
  })

  it("keeps the special tokens that one of the papers' codes leaves in the text", async () => {
    const count = async (profile: 'official' | 'qpruningkv') =>
      ((await prompts({ profile })).asked[1]?.text ?? '').split('<|begin_of_text|>').length - 1
    expect(await count('qpruningkv')).toBeGreaterThan(await count('official'))
  })

  it('says which options belong to the other kind of needle, and decides its own', async () => {
    const tools = { model: fakeModel(), modelName: 'm', identity, onBadRow: () => undefined }
    await expect(prepareRun(needle, { ...options, keys: 3 }, tools)).rejects.toThrow(
      /no option "keys" with the form plain/,
    )
    await expect(prepareRun(needle, { buffer: 3 }, tools)).rejects.toThrow(
      /no option "buffer" with the form reference/,
    )
    const { identity: run } = await prepareRun(
      needle,
      { ...options, lengths: undefined, from: 300, to: 500, step: 100 },
      tools,
    )
    expect(run.task['options']).toMatchObject({ lengths: [300, 400, 500], buffer: 200, newTokens: 30 })
    expect(Object.keys(run.task['options'] as object)).not.toContain('from')
  })
})

describe('prompt forms', () => {
  it('put context and question where they belong, whatever they hold', () => {
    const render = (form: keyof typeof promptForms, context: string) => {
      const { prefix, rest } = renderPrompt(promptForms[form], context, 'Q')
      expect(prefix.endsWith(context)).toBe(true)
      return prefix + rest
    }
    expect(render('llama-3', 'C $& {question}')).toContain('<book> C $& {question} </book>.\n Based')
    expect(render('llama-3', 'C').startsWith('<|begin_of_text|><|start_header_id|>user')).toBe(true)
    expect(render('mistral', 'C').endsWith('Question: Q\nAnswer: [/INST]')).toBe(true)
    expect(render('story-book', 'C').endsWith('Question: Q\nAnswer:')).toBe(true)
  })
})

describe('the scores of a reply', () => {
  it('are ROUGE-1 against the needle, words of the answer, and whether it is there', () => {
    const about = {
      needle: 'The best thing is eat a sandwich on a sunny day.',
      expected: 'eat a sandwich on a sunny day.',
    }
    expect(scoreReply('eat a sandwich on a sunny day.', about)).toMatchObject({ overlap: 1, exact: 1 })
    expect(scoreReply(' walk a dog ', about)).toMatchObject({ overlap: 1 / 6, exact: 0 })
    expect(scoreReply('', about)).toEqual({ rouge1: 0, overlap: 0, exact: 0 })
  })
})
