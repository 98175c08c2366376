import { join } from 'node:path'
import { expect, test } from 'vitest'
import { specIdOf, type SampleRecord } from '@qpkv/bench-kit'
import { parseSpec } from '@qpkv/spec'
import { fillV2Template, parseV2Row, readV2Rows } from '../src/index.ts'
import { streamObjects } from '../src/v2/stream-array.ts'
import { v2Table } from '../src/v2/v2-table.ts'
import { collect, scratchFolder } from './helpers/scratch.ts'

const question = (change: Readonly<Record<string, unknown>> = {}): Record<string, unknown> => ({
  _id: 'q1',
  domain: 'd',
  sub_domain: 's',
  difficulty: 'easy',
  length: 'short',
  question: ' What? ',
  choice_A: 'a',
  choice_B: 'b }{"',
  choice_C: 'c\\',
  choice_D: 'd',
  answer: 'B',
  context: ' text with $Q$ and $& ',
  ...change,
})

test('an array is read object by object, wherever the chunks end', async () => {
  const text = JSON.stringify([question(), question({ _id: 'q2', context: '\u4e2d{"\\"}' })], null, 1)
  const bytes = Buffer.from(text)
  for (const size of [1, 2, 3, 7, bytes.length]) {
    const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) =>
      bytes.subarray(at * size, (at + 1) * size),
    )
    const objects = await collect(
      streamObjects(
        (async function* () {
          yield* chunks
        })(),
        'data.json',
      ),
    )
    expect(objects.map((one) => parseV2Row(one.text ?? '', 'data.json').id)).toEqual(['q1', 'q2'])
    expect(objects.map((one) => one.line)).toEqual([2, 16])
  }
})

test('bad v2 data is named with its line', async () => {
  const read = async (content: string): Promise<unknown> => {
    const folder = await scratchFolder({ 'data.json': content })
    return collect(readV2Rows(join(folder, 'data.json')))
  }
  const nowhere = join(await scratchFolder({}), 'gone.json')
  await expect(collect(readV2Rows(nowhere))).rejects.toThrow(/gone\.json: reading failed \(ENOENT/)
  await expect(read(`[\n${JSON.stringify(question())},\n{"_id": "cut`)).rejects.toThrow(
    /data.json:3: the file ends within a row/,
  )
  await expect(read(`[${JSON.stringify(question({ answer: 'E' }))}]`)).rejects.toThrow(
    /data.json:1: expected A, B, C or D/,
  )
  await expect(read('[]')).rejects.toThrow(/there is no row in it/)
  await expect(read('[{"input": "", "answers": []}]')).rejects.toThrow(/this is one of LongBench v1/)
  await expect(read('}')).rejects.toThrow(/without its/)
})

test('the template is filled once with stripped values', () => {
  const row = parseV2Row(JSON.stringify(question()), 'x')
  const filled = fillV2Template('<$DOC$>$Q$|$C_A$|$C_D$|$COT$', row, 'so')
  expect(filled.text).toBe('<text with $Q$ and $&>What?|a|d|so')
  expect(filled.text.slice(0, filled.contextEnd)).toBe('<text with $Q$ and $&')
})

test('accuracies by difficulty and length', () => {
  const spec = parseSpec('none+none')
  const answered = (difficulty: string, size: string, right: number) => ({
    spec: specIdOf(spec),
    facets: { difficulty, size },
    answers: [{ scores: { right } }],
  })
  const records = [answered('easy', 'short', 1), answered('hard', 'long', 0), answered('easy', 'long', 0)]
  const table = v2Table(records as unknown as SampleRecord[], [{ label: 'full', spec }])
  expect(table).toMatch(
    /spec +overall +easy +hard +short +medium +long +questions\n.*\nfull +33\.3 +50\.0 +0\.0 +100\.0 +- +0\.0 +3\n/,
  )
})
