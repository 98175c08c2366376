import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { postProcess, scoreTask } from '@qpkv/bench-ruler'
import { countDifferences, type GoldenResult } from '../golden-result.ts'

type Comparison = readonly [name: string, wanted: unknown, ours: unknown]

interface SingleRow {
  readonly id: string
  readonly prediction: string
  readonly refs: readonly string[]
  readonly [field: string]: unknown
}

interface BatchRow {
  readonly id: string
  readonly predictions: readonly string[]
  readonly refs: readonly (readonly string[])[]
  readonly [field: string]: unknown
}

/** Compare the metrics with `metrics/ruler_single.jsonl` and `metrics/ruler_batch.jsonl` of the folder. */
export async function checkMetricGoldens(directory: string): Promise<GoldenResult[]> {
  return [
    await checkFamily<SingleRow>(directory, 'ruler_single', compareSingle),
    await checkFamily<BatchRow>(directory, 'ruler_batch', compareBatch),
  ]
}

function compareSingle(row: SingleRow): Comparison[] {
  const score = (profile: 'official' | 'qpruningkv' | 'kvpress', match: 'all' | 'part'): number =>
    scoreTask(profile, match, [row.prediction], [row.refs]).score
  return [
    ['postprocessed', row['postprocessed'], postProcess('official', row.prediction)],
    ['postprocessed_kvpress', row['postprocessed_kvpress'], postProcess('kvpress', row.prediction)],
    ['string_match_all', row['string_match_all'], score('official', 'all')],
    ['string_match_part', row['string_match_part'], score('official', 'part')],
    ['qpruning_string_match_all_raw', row['qpruning_string_match_all_raw'], score('qpruningkv', 'all')],
    ['kvpress_string_match_all', row['kvpress_string_match_all'], score('kvpress', 'all')],
    ['kvpress_string_match_part', row['kvpress_string_match_part'], score('kvpress', 'part')],
  ]
}

function compareBatch(row: BatchRow): Comparison[] {
  const all = scoreTask('official', 'all', row.predictions, row.refs)
  const part = scoreTask('official', 'part', row.predictions, row.refs)
  const raw = scoreTask('qpruningkv', 'all', row.predictions, row.refs)
  return [
    ['string_match_all', row['string_match_all'], all.score],
    ['string_match_part', row['string_match_part'], part.score],
    ['qpruning_string_match_all_raw', row['qpruning_string_match_all_raw'], raw.score],
    ['nulls', row['nulls'], all.nulls],
  ]
}

async function checkFamily<Row extends { readonly id: string }>(
  directory: string,
  family: string,
  compare: (row: Row) => Comparison[],
): Promise<GoldenResult> {
  const path = join(directory, 'metrics', `${family}.jsonl`)
  const text = await readFile(path, 'utf8').catch(() => null)
  if (text === null) return countDifferences(family, [], `${path} is missing`)
  // Split at "\n" only: the rows hold U+2028 and other line ends inside their texts.
  const lines = text.split('\n').filter((line) => line !== '')
  const rows = lines.flatMap((line) => parseRow<Row>(line) ?? [])
  const outcomes = rows.map((row) => firstDifference(row.id, compare(row)))
  const unreadable = lines.length - rows.length
  const notChecked = unreadable === 0 ? undefined : `${unreadable} lines of ${path} are no JSON rows`
  return countDifferences(family, outcomes, notChecked)
}

function firstDifference(id: string, comparisons: readonly Comparison[]): string | null {
  const wrong = comparisons.find(([, wanted, ours]) => wanted !== undefined && wanted !== ours)
  if (wrong === undefined) return null
  return `${id}: ${wrong[0]}: expected ${JSON.stringify(wrong[1])}, got ${JSON.stringify(wrong[2])}`
}

function parseRow<Row>(line: string): Row | null {
  try {
    return JSON.parse(line) as Row
  } catch {
    return null
  }
}
