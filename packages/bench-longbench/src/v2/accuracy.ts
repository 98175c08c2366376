import { pythonRound } from '@qpkv/bench-kit'
import type { Choice } from './extract-answer.ts'
import type { LongBenchV2Row } from './row.ts'

export interface V2Judged {
  row: Pick<LongBenchV2Row, 'difficulty' | 'length' | 'answer'>
  /** From `extractAnswer`. */
  chosen: Choice | null
}

/** Percent right, one decimal; NaN for a group without questions. */
export interface V2Accuracy {
  overall: number
  easy: number
  hard: number
  short: number
  medium: number
  long: number
}

/**
 * The official result table. `compensated` counts an answer without a letter as a quarter, the chance of guessing;
 * the official tables do not.
 */
export function v2Accuracy(
  judged: readonly V2Judged[],
  missing: 'wrong' | 'compensated' = 'wrong',
): V2Accuracy {
  const points = (one: V2Judged): number => {
    if (one.chosen === null && missing === 'compensated') return 0.25
    return one.chosen === one.row.answer ? 1 : 0
  }
  const percent = (belongs: (one: V2Judged) => boolean): number => {
    const members = judged.filter(belongs)
    return pythonRound((100 * members.reduce((sum, one) => sum + points(one), 0)) / members.length, 1)
  }
  return {
    overall: percent(() => true),
    easy: percent((one) => one.row.difficulty === 'easy'),
    hard: percent((one) => one.row.difficulty === 'hard'),
    short: percent((one) => one.row.length === 'short'),
    medium: percent((one) => one.row.length === 'medium'),
    long: percent((one) => one.row.length === 'long'),
  }
}
