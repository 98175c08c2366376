import { expect, test } from 'vitest'
import {
  categoryMeans,
  codeSimilarity,
  datasets,
  datasetScore,
  difflibRatio,
  englishDatasets,
  evenDatasets,
  findDataset,
  flatMean,
  retrieval,
  rougeL,
  scoreAnswer,
  scorer,
  sixCategoryMean,
  bucketScores,
  rowScores,
} from '../src/index.ts'

test('the dataset table adds up to the official counts', () => {
  expect(datasets).toHaveLength(21)
  expect(englishDatasets).toHaveLength(16)
  expect(evenDatasets).toHaveLength(13)
  expect(datasets.reduce((sum, one) => sum + one.rows, 0)).toBe(4750)
  expect(datasets.filter((one) => !one.chatTemplate).map((one) => one.name)).toEqual([
    'trec',
    'triviaqa',
    'samsum',
    'lsht',
    'lcc',
    'repobench-p',
  ])
  expect(findDataset('lcc_e')).toMatchObject({ even: true, facts: { name: 'lcc' } })
  expect(() => findDataset('musique_e')).toThrow(/no dataset named "musique_e"/)
})

test('ROUGE-L stops where the recursion limit of the original stops', () => {
  const words = (count: number): string => Array.from({ length: count }, (_, at) => `w${at}`).join(' ')
  expect(rougeL(words(990), words(990))).toBeCloseTo(1, 6)
  expect(rougeL(words(991), words(991))).toBe(0)
  // 2000 words against one: the path runs along the longer side only until the shorter is used up.
  expect(rougeL(`${words(2000)} end`, 'end')).toBeGreaterThan(0)
  expect(rougeL(`end ${words(2000)}`, 'end')).toBe(0)
})

test('difflib leaves out frequent characters of long texts', () => {
  const line = 'ab'.repeat(100)
  expect(difflibRatio(line.slice(1), `${line}c`)).toBe(0)
  expect(codeSimilarity(line.slice(1), `${line}c`)).toBeGreaterThan(0.9)
  expect(codeSimilarity('', '')).toBe(1)
})

test('an answer without a paragraph number is an error, as in the original', () => {
  expect(() => retrieval('Paragraph 1', 'the first')).toThrow(/Expected an answer that matches/)
  const trec = findDataset('trec').facts
  expect(() => scoreAnswer(trec, 'x', ['x'], null)).toThrow(/needs all_classes/)
  expect(() => scoreAnswer(findDataset('vcsum').facts, 'x', ['x'], null)).toThrow(/no segmenter was given/)
  expect(() => datasetScore([])).toThrow(/at least one prediction/)
})

test('scores by length leave empty buckets NaN', () => {
  const { facts } = findDataset('qasper')
  const rows = [3999, 4000, 7999].map((length) => ({ prediction: 'mill', answers: ['the mill'], length }))
  expect(scorer(facts, rows, null)).toBe(100)
  const lengths = rows.map(({ length }) => length)
  expect(bucketScores(rowScores(facts, rows, null), lengths)).toEqual({
    '0-4k': 100,
    '4-8k': 100,
    '8k+': NaN,
  })
})

test('the two averages differ, and say when datasets are missing', () => {
  const scores = Object.fromEntries(
    englishDatasets.map((one) => [one.name, one.category === 'code' ? 60 : 30]),
  )
  expect(sixCategoryMean(scores, 'en')).toEqual({
    label: 'mean of six category means, en (LongBench)',
    value: 35,
    datasets: englishDatasets.map((one) => one.name),
    missing: [],
  })
  expect(flatMean(scores)).toMatchObject({
    label: 'flat mean of 16 datasets',
    value: (14 * 30 + 2 * 60) / 16,
  })
  expect(categoryMeans(scores)).toMatchObject({ code: 60, synthetic: 30 })
  const zh = sixCategoryMean(scores, 'zh')
  expect(zh.label).toBe('mean of six category means, zh (LongBench), only 2 of 7 datasets')
  expect(zh.missing).toContain('dureader')
  expect(flatMean({}).value).toBeNaN()
})
