import type { TaskScore } from './score-task.ts'
import type { RulerTask } from '../tasks/task-definitions.ts'

/**
 * RULER's `summary.csv` of one length: a header of column numbers, then tasks, scores and empty predictions, as
 * pandas writes that frame.
 */
export function summaryCsv(scores: readonly (readonly [task: RulerTask, score: TaskScore])[]): string {
  const rows: string[][] = [
    Array.from({ length: scores.length + 1 }, (_, i) => String(i)),
    ['Tasks', ...scores.map(([task]) => task)],
    ['Score', ...scores.map(([, { score }]) => pythonFloat(score))],
    ['Nulls', ...scores.map(([, { nulls }]) => nulls)],
  ]
  return rows.map((row) => `${row.join(',')}\n`).join('')
}

/** A float as Python prints it: whole numbers with ".0". */
function pythonFloat(value: number): string {
  return Number.isInteger(value) ? value.toFixed(1) : String(value)
}
