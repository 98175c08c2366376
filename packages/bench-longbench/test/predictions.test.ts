import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import {
  findDataset,
  findPredictionFiles,
  officialLine,
  officialPath,
  parseRow,
  qpruningkvLine,
  qpruningkvPath,
  scorePredictionFile,
} from '../src/index.ts'
import { officialRow } from './helpers/rows.ts'
import { scratchFolder } from './helpers/scratch.ts'

const row = parseRow(JSON.stringify(officialRow({ answers: ['café'] })), 'x', findDataset('hotpotqa').facts)

test("lines are written as Python's json writes them", () => {
  expect(officialLine(row, 'caf\u00e9 \u{1f600}"')).toBe(
    '{"pred": "caf\u00e9 \u{1f600}\\"", "answers": ["caf\u00e9"], "all_classes": null, "length": 12}',
  )
  const line = qpruningkvLine(row, 'p', 'caf\u00e9\x7f\u{1f600}')
  expect(line).toContain('"pred": "caf\\u00e9\\u007f\\ud83d\\ude00"')
  expect(Object.keys(JSON.parse(line) as object)).toEqual([
    'prompt',
    'input',
    'context',
    'answers',
    'pred',
    'length',
    'dataset',
    'language',
    'all_classes',
    '_id',
  ])
})

test('both layouts are found, scored and summed up', async () => {
  expect(officialPath('m', 'lcc', 'even')).toBe(join('pred_e', 'm', 'lcc.jsonl'))
  expect(qpruningkvPath('meta/Llama-3', 128, 'lcc', 'SnapKV')).toBe(join('llama-3_128', 'lcc', 'SnapKV.json'))
  const lines = `${qpruningkvLine(row, 'p', 'caf\u00e9')}\n${qpruningkvLine(row, 'p', 'tea')}\n${qpruningkvLine(row, 'p', 'tea')}\n`
  const folder = await scratchFolder({
    'm_128/hotpotqa/SnapKV.json': lines,
    'm_128/hotpotqa/metrics.json': '{"hotpotqa": 1}',
    'm_128/results.csv': 'x',
    'pred_e/m/hotpotqa.jsonl': `${officialLine(row, 'caf\u00e9')}\n`,
    'pred_e/m/result.json': '{}',
  })
  const [snapkv, ...more] = await findPredictionFiles(join(folder, 'm_128'))
  if (!snapkv) throw new Error('Expected a file.')
  expect(more).toEqual([])
  const score = await scorePredictionFile(snapkv)
  expect(score).toMatchObject({
    rows: 3,
    rowScores: [1, 0, 0],
    score: 33.33,
    file: { method: 'SnapKV', layout: 'qpruningkv' },
  })
  const [even] = await findPredictionFiles(join(folder, 'pred_e', 'm'))
  if (!even) throw new Error('Expected a file.')
  expect((await scorePredictionFile(even)).buckets).toEqual({ '0-4k': 100, '4-8k': NaN, '8k+': NaN })
  await expect(findPredictionFiles(folder)).rejects.toThrow(/Expected predictions in/)
})

test('a bad prediction line stops or is reported', async () => {
  const folder = await scratchFolder({ 'hotpotqa.jsonl': `${officialLine(row, 'caf\u00e9')}\n{"pred": 3}\n` })
  const [file] = await findPredictionFiles(folder)
  if (!file) throw new Error('Expected a file.')
  await expect(scorePredictionFile(file)).rejects.toThrow(/hotpotqa.jsonl:2: expected a text for "pred"/)
  const told: string[] = []
  expect(await scorePredictionFile(file, {}, (error) => told.push(error.message))).toMatchObject({
    rows: 1,
    score: 100,
  })
  expect(told).toHaveLength(1)
  await writeFile(file.file, '')
  await expect(scorePredictionFile(file)).rejects.toThrow(/there is no row in it/)
  expect(await readFile(file.file, 'utf8')).toBe('')
})
