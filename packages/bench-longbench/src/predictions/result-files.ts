import { englishDatasets } from '../data/datasets.ts'
import { pythonScoreJson } from '../python/json.ts'
import type { BucketScores } from '../scores/scorer.ts'
import type { FileScore } from './score-file.ts'

/** `result.json` of the official eval.py: scores by dataset, or by dataset and length for `pred_e`. */
export function officialResultJson(scores: readonly FileScore[]): string {
  const entries = scores.map((one): [string, number | Partial<BucketScores>] => [
    one.file.request.facts.name,
    one.file.request.even ? { ...one.buckets } : one.score,
  ])
  return pythonScoreJson(Object.fromEntries(entries))
}

/** `results.csv` of QPruningKV's eval.py: a row per method, a column per dataset, -1 where there is no file. */
export function qpruningkvResultsCsv(scores: readonly FileScore[], methods: readonly string[]): string {
  const names = englishDatasets.map((one) => one.name)
  const cell = (method: string, name: string): string => {
    const found = scores.find((one) => one.file.method === method && one.file.request.facts.name === name)
    if (!found) return '-1'
    return Number.isInteger(found.score) ? found.score.toFixed(1) : String(found.score)
  }
  const lines = [
    ['dataset', ...names],
    ...methods.map((method) => [method, ...names.map((name) => cell(method, name))]),
  ]
  return lines.map((line) => `${line.join(',')}\r\n`).join('')
}
