import { pythonRound, type SampleRecord } from '@qpkv/bench-kit'
import { lengthTable, type LengthRow, type LengthScore } from '../metrics/length-table.ts'
import { sumInOrder } from '../python/sum-in-order.ts'
import { isRulerTask } from '../tasks/task-definitions.ts'

/** Task scores by length of one spec, from a run's records, as RULER computes them: mean x 100, two digits. */
export function rulerScores(records: readonly SampleRecord[], spec: string): LengthRow[] {
  const groups = new Map<string, { task: string; length: number; scores: number[] }>()
  for (const record of records) {
    if (record.spec !== spec) continue
    const task = String(record.facets['task'])
    const length = Number(record.facets['length'])
    const group = groups.get(`${task}/${length}`) ?? { task, length, scores: [] }
    group.scores.push(...record.answers.map(({ scores }) => scores['match'] ?? 0))
    groups.set(`${task}/${length}`, group)
  }
  const scores = [...groups.values()].flatMap(({ task, length, scores }): LengthScore[] =>
    isRulerTask(task)
      ? [{ task, length, score: pythonRound((sumInOrder(scores) / scores.length) * 100, 2) }]
      : [],
  )
  return lengthTable(scores)
}
