import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readResults, runBenchmark, type NamedSpec } from '@qpkv/bench-kit'
import { loadModel, type Model } from '@qpkv/core'
import { registry } from '@qpkv/methods'
import { modelFolder } from '@qpkv/reference-model'
import { parseSpec } from '@qpkv/spec'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { contains, exact, qa, readDocuments } from '../src/index.ts'
import { temporaryFolder } from './temporary-folder.ts'

let model: Model
beforeAll(async () => {
  model = await loadModel(modelFolder, { methods: registry, threads: 2 })
})
afterAll(() => model.dispose())

const full: NamedSpec = { label: 'full', spec: parseSpec('none+none') }
const fact = (name: string, value: string) => `The special magic number for ${name} is: ${value}.`
const question = (name: string) => `What is the special magic number for ${name}`
const prompt = '{context}\nQuestion: {question}?\nAnswer: The special magic number for'

const context = `${fact('amber-acorn', '1234567')} The red boat crosses the hill. ${fact('brave-acorn', '7654321')} The $& boat.`
const rows = [
  {
    id: 'a',
    context,
    questions: [
      { question: question('amber-acorn'), answer: '1234567' },
      { question: question('brave-acorn'), answers: ['7654321', 'x'] },
    ],
  },
  {
    contextFile: 'sub/text.txt',
    question: question('amber-acorn'),
    answer: '1234567',
    group: 'files',
    mine: 7,
  },
]

function write(lines: readonly unknown[]): string {
  const folder = temporaryFolder()
  mkdirSync(join(folder, 'sub'))
  writeFileSync(join(folder, 'sub/text.txt'), context)
  const file = join(folder, 'data.jsonl')
  writeFileSync(
    file,
    lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n'),
  )
  return file
}

async function run(options: object, lines: readonly unknown[] = rows) {
  const data = write(lines)
  const path = `${data}.results.jsonl`
  const shared = { model, identity: { name: 'm', fingerprint: 'f' }, specs: [full], path }
  const { records } = await runBenchmark(qa, { data, prompt, newTokens: 16, ...options }, shared)
  return { records, header: (await readResults(path)).header }
}

describe('bench qa', () => {
  it('asks every question of one compressed text', async () => {
    const { records } = await run({ protocol: 'query-agnostic', metric: 'contains' })
    expect(records.map(({ sample, answers }) => [sample, answers.length])).toEqual([
      ['query-agnostic/a', 2],
      ['query-agnostic/2', 1],
    ])
    expect(records[1]?.facets).toEqual({ protocol: 'query-agnostic', group: 'files' })
    expect(records[0]?.promptTokens).toBe(records[1]?.promptTokens)
  })

  it('asks each with a prompt of its own where the question is known', async () => {
    const { records } = await run({ metric: 'f1' })
    expect(records.map(({ sample }) => sample)).toEqual([
      'query-aware/a/0',
      'query-aware/a/1',
      'query-aware/2/0',
    ])
    for (const { answers } of records) expect(Object.keys(answers[0]!.scores)).toEqual(['f1'])
  })

  it('uses a metric of the user, whose content is part of the run', async () => {
    const folder = temporaryFolder()
    const metric = join(folder, 'metric.mjs')
    writeFileSync(
      metric,
      'export default (reply, answers, row) => ({ long: reply.length > 0 ? 1 : 0, mine: row.mine ?? 0 })',
    )
    const { records, header } = await run({ metric })
    expect(records.at(-1)?.answers[0]?.scores).toEqual({ long: 1, mine: 7 })
    expect(header.identity.task['data']).toMatchObject({ metric: expect.any(String) })
  })

  it.each([
    [{ metric: 'rougel' }, rows, /no metric "rougel"/],
    [{ metric: './nowhere.mjs' }, rows, /Cannot read the metric/],
    [{ prompt: '{question} {context}' }, rows, /expected \{context\} and behind it \{question\}/],
    [{}, [{ contxt: 'a', question: 'b', answer: 'c' }], /"contxt" is no field/],
    [{}, [{ context: 'a', question: 'b' }], /expected "answer"/],
    [
      {},
      [{ context: 'a', contextFile: 'b', question: 'b', answer: 'c' }],
      /expected "context" with a text, or/,
    ],
    [{}, [{ contextFile: 'nowhere.txt', question: 'b', answer: 'c' }], /cannot read contextFile/],
    [{}, ['{'], /data\.jsonl:1: expected one JSON object/],
    [
      {},
      [
        { id: 'a', context: 'a', question: 'b', answer: 'c' },
        { id: 'a', context: 'a', question: 'b', answer: 'c' },
      ],
      /another row has the id "a"/,
    ],
    [{}, [], /there is no row in it/],
  ])('refuses %j of %j', async (options, lines, message) => {
    await expect(run(options, lines)).rejects.toThrow(message)
  })

  it('leaves bad rows out where it may', async () => {
    const problems: Error[] = []
    const documents = await readDocuments(write(['[]', rows[0], 'null']), (error) => problems.push(error))
    expect(documents).toHaveLength(1)
    expect(problems).toHaveLength(2)
  })
})

describe('metrics', () => {
  it('compare as SQuAD does', () => {
    expect(exact('The Mill.', 'mill')).toBe(1)
    expect(exact('the mills', 'mill')).toBe(0)
    expect(contains('It was, of course, the old Mill!', 'old mill')).toBe(1)
    expect(contains('the windmill', 'mill')).toBe(0)
    expect(contains('anything', '...')).toBe(0)
  })
})
