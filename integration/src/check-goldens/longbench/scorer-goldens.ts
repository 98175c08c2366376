import {
  bucketScores,
  datasetScore,
  findDataset,
  rowScores,
  type ScoredRow,
  type ScoringTools,
} from '@qpkv/bench-longbench'
import { type GoldenRow, listOf, textOf, textsOf } from './golden-row.ts'

const isNumber = (value: unknown): value is number => typeof value === 'number'
const isTexts = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((one) => typeof one === 'string')
const isRepeat = (value: unknown): value is [string, string, number] =>
  Array.isArray(value) &&
  typeof value[0] === 'string' &&
  typeof value[1] === 'string' &&
  typeof value[2] === 'number'

function rowsOf(row: GoldenRow): ScoredRow[] {
  if (row['repeat'] !== undefined) {
    return listOf(row, 'repeat', isRepeat).flatMap(([prediction, answer, times]) =>
      Array.from({ length: times }, () => ({ prediction, answers: [answer], length: 1 })),
    )
  }
  const answers = listOf(row, 'answers', isTexts)
  const lengths = listOf(row, 'lengths', isNumber)
  return textsOf(row, 'predictions').map((prediction, at) => ({
    prediction,
    answers: answers[at] ?? [],
    length: lengths[at] ?? 0,
  }))
}

/** `scorer` and `scorer_e` of a golden row. */
export function scoreGolden(row: GoldenRow, tools: ScoringTools): Record<string, unknown> {
  const { facts } = findDataset(textOf(row, 'dataset'))
  const rows = rowsOf(row)
  const classes = row['all_classes'] ? textsOf(row, 'all_classes') : null
  const scores = rowScores(facts, rows, classes, tools)
  const lengths = rows.map((one) => one.length)
  return { score: datasetScore(scores), score_e: bucketScores(scores, lengths) }
}
