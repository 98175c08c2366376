import { sumInOrder } from '../python/sum-in-order.ts'
import { RULER_TASKS, type RulerTask } from '../tasks/task-definitions.ts'

/** Score of one task at one context length. */
export interface LengthScore {
  readonly task: RulerTask
  /** context length in tokens, as in 4096 */
  readonly length: number
  /** 0 to 100 */
  readonly score: number
}

/** One line of the table: all tasks at one context length. */
export interface LengthRow {
  readonly length: number
  readonly scores: Readonly<Partial<Record<RulerTask, number>>>
  /** mean over the tasks that are there; null when there is none */
  readonly average: number | null
  /** "RULER score" only if all 13 tasks are there, else "mean of n of 13 RULER tasks" */
  readonly label: string
  readonly complete: boolean
  readonly missing: readonly RulerTask[]
}

/** Table by length, shortest first. A later score of the same task and length replaces an earlier one. */
export function lengthTable(scores: readonly LengthScore[]): LengthRow[] {
  const lengths = [...new Set(scores.map((entry) => entry.length))].sort((a, b) => a - b)
  return lengths.map((length) => {
    const atLength: Partial<Record<RulerTask, number>> = {}
    for (const entry of scores) {
      if (entry.length === length) atLength[entry.task] = entry.score
    }
    return describeRow(length, atLength)
  })
}

function describeRow(length: number, scores: Readonly<Partial<Record<RulerTask, number>>>): LengthRow {
  const present = RULER_TASKS.flatMap((task) => scores[task] ?? [])
  const missing = RULER_TASKS.filter((task) => scores[task] === undefined)
  const complete = missing.length === 0
  return {
    length,
    scores,
    average: present.length === 0 ? null : sumInOrder(present) / present.length,
    label: complete ? 'RULER score' : `mean of ${present.length} of ${RULER_TASKS.length} RULER tasks`,
    complete,
    missing,
  }
}
