import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findRulerFiles } from '../../src/readers/find-ruler-files.ts'
import { readPredictions } from '../../src/readers/read-predictions.ts'
import { readRulerJsonl } from '../../src/readers/read-ruler-jsonl.ts'
import { readRulerParquet } from '../../src/readers/read-ruler-parquet.ts'
import { splitQuestion } from '../../src/readers/split-question.ts'

let folder = ''

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ruler-'))
})

afterAll(async () => {
  await rm(folder, { recursive: true })
})

async function write(name: string, content: string | Buffer): Promise<string> {
  const path = join(folder, name)
  await mkdir(join(path, '..'), { recursive: true })
  await writeFile(path, content)
  return path
}

async function collect<T>(rows: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const row of rows) all.push(row)
  return all
}

const current =
  '{"index": 96, "input": "A lamp.\\u2028\\nQuestion: Which?", "outputs": ["x"], "length": 9, "answer_prefix": " It is"}'
const old = '{"index": 0, "input": "A lamp. It is", "outputs": ["x", "y"], "length": 9}'

describe('readRulerJsonl', () => {
  it('reads rows of both versions of the scripts', async () => {
    const path = await write('a.jsonl', `${current}\n\n${old}`)
    expect(await collect(readRulerJsonl(path, 'vt'))).toEqual([
      {
        task: 'vt',
        row: 0,
        input: 'A lamp.\u2028\nQuestion: Which?',
        answerPrefix: ' It is',
        outputs: ['x'],
        length: 9,
        place: `${path}:1`,
      },
      {
        task: 'vt',
        row: 1,
        input: 'A lamp. It is',
        answerPrefix: '',
        outputs: ['x', 'y'],
        length: 9,
        place: `${path}:3`,
      },
    ])
  })

  it('keeps characters together that a chunk of the file cuts apart, and lines at U+2028', async () => {
    const text = '\u2028é\u{1f600}'.repeat(40_000)
    const path = await write('long.jsonl', `${JSON.stringify({ input: text, outputs: ['x'] })}\n${old}\n`)
    const [first, second] = await collect(readRulerJsonl(path, 'vt'))
    expect(first?.input).toBe(text)
    expect(second?.row).toBe(1)
  })

  it.each([
    ['{"input": "a", "out', 'bad.jsonl:2: expected one JSON object but the line is not JSON'],
    ['[1]', 'bad.jsonl:2: expected one JSON object'],
    [
      '{"context": "a", "answers": ["b"]}',
      'bad.jsonl:2: expected the text field "input" of a RULER row but found only context, answers',
    ],
    [
      '{"input": "a", "outputs": []}',
      'bad.jsonl:2: expected "outputs" with one or more answers but found []',
    ],
    ['{"input": "a"}', 'bad.jsonl:2: expected "outputs" with one or more answers but found only input'],
  ])('names file and line of %s', async (line, message) => {
    const path = await write('bad.jsonl', `${old}\n${line}\n${old}\n`)
    await expect(collect(readRulerJsonl(path, 'vt'))).rejects.toThrow(message)
    const errors: Error[] = []
    const rows = await collect(readRulerJsonl(path, 'vt', (error) => errors.push(error)))
    expect(rows.map((row) => row.row)).toEqual([0, 2])
    expect(errors).toHaveLength(1)
    expect(errors[0]?.message).toContain(message)
  })

  it('refuses an empty file, a missing one and another encoding', async () => {
    const latin = await write('latin.jsonl', Buffer.from([0x7b, 0xe9, 0x7d, 0x0a]))
    await expect(collect(readRulerJsonl(await write('empty.jsonl', '\n'), 'vt'))).rejects.toThrow(
      'there is no row in it',
    )
    await expect(collect(readRulerJsonl(join(folder, 'no.jsonl'), 'vt'))).rejects.toThrow('reading failed')
    await expect(collect(readRulerJsonl(latin, 'vt'))).rejects.toThrow('latin.jsonl:1: expected UTF-8')
  })
})

describe('readRulerParquet', () => {
  const copy = fileURLToPath(new URL('../goldens/own-copy.parquet', import.meta.url))

  it('reads the columns of the Hugging Face copy', async () => {
    const samples = await collect(readRulerParquet(copy))
    expect(samples.map(({ task, row, newTokens }) => [task, row, newTokens])).toEqual([
      ['niah_single_1', 0, 128],
      ['niah_single_1', 1, 128],
      ['vt', 0, 30],
    ])
    expect(samples[2]).toMatchObject({
      answerPrefix: 'Answer:',
      outputs: ['AAAAA', 'BBBBB'],
      place: `${copy}:row 3`,
    })
    expect(samples[1]?.input).toBe(`${samples[1]?.split?.context}${samples[1]?.split?.question}`)
    expect(await collect(readRulerParquet(copy, ['vt']))).toHaveLength(1)
  })

  it('refuses what is no parquet file', async () => {
    const path = await write('x.parquet', 'version https://git-lfs.example/spec')
    await expect(collect(readRulerParquet(path))).rejects.toThrow(
      'x.parquet: the file is missing or no parquet file',
    )
  })
})

describe('findRulerFiles', () => {
  it('knows the layouts by their paths', async () => {
    const root = join(folder, 'data')
    await write('data/8192/vt.jsonl', old)
    await write('data/4096/vt/validation.jsonl', current)
    await write('data/4096/niah_single_1.jsonl', old)
    await write('data/4096/test-00000-of-00001.parquet', '')
    await write('data/4096/notes.jsonl', old)
    expect((await findRulerFiles(root)).map(({ length, task, format }) => [length, task, format])).toEqual([
      [4096, 'niah_single_1', 'jsonl'],
      [4096, 'vt', 'jsonl'],
      [4096, null, 'parquet'],
      [8192, 'vt', 'jsonl'],
    ])
    expect((await findRulerFiles(join(root, '4096')))[0]?.length).toBe(4096)
  })

  it('says what it looked for when there is nothing', async () => {
    await mkdir(join(folder, 'nothing'))
    await expect(findRulerFiles(join(folder, 'nothing'))).rejects.toThrow('no RULER file')
    await expect(findRulerFiles(join(folder, 'nowhere'))).rejects.toThrow('cannot be read')
  })
})

describe('readPredictions', () => {
  it('reads the files of RULER and of QPruningKV', async () => {
    const lines =
      '{"index": 0, "pred": "a", "outputs": ["b"]}\n{"prompt": "", "answers": ["c"], "pred": "d"}\n'
    const path = await write('vt.json', lines)
    expect(await collect(readPredictions(path))).toEqual([
      { prediction: 'a', references: ['b'], place: `${path}:1` },
      { prediction: 'd', references: ['c'], place: `${path}:2` },
    ])
  })
})

describe('splitQuestion', () => {
  it('cuts after the context', () => {
    const input = 'Text.\nQuestion: no.\nMore.\nQuestion: Which?'
    expect(splitQuestion({ task: 'vt', input })).toEqual({
      context: 'Text.\nQuestion: no.\nMore.',
      question: '\nQuestion: Which?',
    })
    expect(splitQuestion({ task: 'vt', input: 'Text.' })).toBeNull()
  })
})
