import type { DatasetFacts } from '../data/datasets.ts'
import { KvError } from '@qpkv/spec'
import { numpyMean } from '../python/numpy-mean.ts'
import { pythonRound } from '@qpkv/bench-kit'
import { numpyRound } from '../python/numpy-round.ts'
import { scoreAnswer, type ScoringTools } from '../metrics/score-answer.ts'

/** The part of a prediction row that scoring needs. */
export interface ScoredRow {
  prediction: string
  answers: readonly string[]
  /** Words (en, code) or characters (zh) of the row; decides its bucket. */
  length: number
}

/** Mean score per length bucket, 0..100; NaN for an empty bucket, as the original writes it. */
export interface BucketScores {
  '0-4k': number
  '4-8k': number
  '8k+': number
}

/** Scores of all rows, 0..1, in order. `classes` is one list for all, as in the original (the last row's). */
export function rowScores(
  dataset: DatasetFacts,
  rows: readonly ScoredRow[],
  classes: readonly string[] | null,
  tools: ScoringTools = {},
): number[] {
  return rows.map((row) => scoreAnswer(dataset, row.prediction, row.answers, classes, tools))
}

/**
 * Dataset score from row scores as the official `scorer`: percent, two decimals, exact ties to even.
 * @throws KvError KV_DATA for no rows (the original divides by zero).
 */
export function datasetScore(scores: readonly number[]): number {
  if (scores.length === 0)
    throw new KvError('KV_DATA', 'Expected at least one prediction but received none.', {
      hint: 'Run the dataset first.',
    })
  const total = scores.reduce((sum, score) => sum + score, 0)
  return pythonRound((100 * total) / scores.length, 2)
}

/** Bucket scores from row scores and lengths (both by row) as the official `scorer_e`. */
export function bucketScores(scores: readonly number[], lengths: readonly number[]): BucketScores {
  const bucket = (from: number, to: number): number => {
    const members = scores.filter((_, row) => (lengths[row] ?? 0) >= from && (lengths[row] ?? 0) < to)
    return members.length === 0 ? NaN : numpyRound(100 * numpyMean(members), 2)
  }
  return { '0-4k': bucket(-Infinity, 4000), '4-8k': bucket(4000, 8000), '8k+': bucket(8000, Infinity) }
}

/** The official `scorer`: percent over all rows. */
export function scorer(
  dataset: DatasetFacts,
  rows: readonly ScoredRow[],
  classes: readonly string[] | null,
  tools: ScoringTools = {},
): number {
  return datasetScore(rowScores(dataset, rows, classes, tools))
}
