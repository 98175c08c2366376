import { dataError, fileLines, readRows, type OnBadRow } from '@qpkv/bench-kit'
import type { ScoringTools } from '../metrics/score-answer.ts'
import { bucketScores, type BucketScores, datasetScore, rowScores } from '../scores/scorer.ts'
import type { PredictionFile } from './find-files.ts'
import { type Prediction, parsePrediction } from './prediction.ts'

/** The score of one prediction file. */
export interface FileScore {
  file: PredictionFile
  rows: number
  /** Score of every row, 0..1, in the order of the file. */
  rowScores: number[]
  /** The official dataset score, 0..100, two decimals. */
  score: number
  /** By length, where every row has one. */
  buckets?: BucketScores
}

/** The predictions of a file, in order. @throws KvError KV_DATA with file and line, without `onBad`. */
export function readPredictions(file: string, onBad?: OnBadRow): AsyncGenerator<Prediction> {
  return readRows(fileLines(file), file, parsePrediction, onBad)
}

/**
 * Scores a prediction file as the original's eval.py does: the class names are those of the last row.
 * @throws KvError KV_DATA for a file without a usable row, or for the first bad line without `onBad`.
 */
export async function scorePredictionFile(
  file: PredictionFile,
  tools: ScoringTools = {},
  onBad?: OnBadRow,
): Promise<FileScore> {
  const predictions: Prediction[] = []
  for await (const one of readPredictions(file.file, onBad)) predictions.push(one)
  const last = predictions.at(-1)
  if (!last) throw dataError(file.file, 'no line could be used', 'Run the dataset again.')
  const rows = predictions.map((one) => ({
    prediction: one.prediction,
    answers: one.answers,
    length: one.length ?? 0,
  }))
  const scores = rowScores(file.request.facts, rows, last.allClasses, tools)
  const lengths = predictions.flatMap((one) => (one.length === undefined ? [] : [one.length]))
  return {
    file,
    rows: rows.length,
    rowScores: scores,
    score: datasetScore(scores),
    ...(lengths.length === rows.length ? { buckets: bucketScores(scores, lengths) } : {}),
  }
}
