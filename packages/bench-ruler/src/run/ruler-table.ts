import { orDash, specIdOf, textTable, type NamedSpec, type SampleRecord } from '@qpkv/bench-kit'
import { EFFECTIVE_LENGTH_THRESHOLD, summarizeLengths } from '../metrics/ruler-summary.ts'
import { RULER_TASKS } from '../tasks/task-definitions.ts'
import { rulerScores } from './ruler-scores.ts'

/**
 * A row per spec and length, a column per task; with all 13 tasks the figures over lengths below. The mean is called RULER score only
 * over all 13 tasks of texts that RULER's assets made.
 */
export function rulerTable(
  records: readonly SampleRecord[],
  specs: readonly NamedSpec[],
  standIns: boolean,
): string {
  const each = specs.map(({ label, spec }) => ({ label, rows: rulerScores(records, specIdOf(spec)) }))
  const rows = each.flatMap(({ label, rows }) => rows.map((row) => ({ label, row })))
  const tasks = RULER_TASKS.filter((task) => rows.some(({ row }) => row.scores[task] !== undefined))
  const count = (row: { readonly missing: readonly unknown[] }) => RULER_TASKS.length - row.missing.length
  const counts = new Set(rows.map(({ row }) => count(row)))
  const mixed = counts.size > 1
  const label = mixed ? 'mean (tasks)' : (rows[0]?.row.label ?? 'mean')
  const average = label === 'RULER score' && standIns ? `mean of ${RULER_TASKS.length} tasks` : label
  const lines = rows.map(({ label, row }) => [
    label,
    String(row.length),
    ...tasks.map((task) => orDash(row.scores[task], 1)),
    orDash(row.average ?? undefined, 1) + (mixed ? ` (${count(row)} of ${RULER_TASKS.length})` : ''),
  ])
  const summaries = standIns ? [] : each.flatMap(({ label, rows }) => lengthsText(label, rows))
  return textTable(['spec', 'length', ...tasks, average], lines) + summaries.join('')
}

/** `none+none: effective length 8192 (last with a RULER score above 85.6); …`; nothing where a task is missing. */
function lengthsText(label: string, rows: Parameters<typeof summarizeLengths>[0]): string[] {
  const summary = summarizeLengths(rows)
  if (summary === null) return []
  const { effectiveLength, mean, increasing, decreasing } = summary
  const bar = `above ${EFFECTIVE_LENGTH_THRESHOLD}`
  const reached = effectiveLength === null ? `none ${bar}` : `${effectiveLength} (last ${bar})`
  const means = `mean over lengths ${mean.toFixed(1)}, weights rising ${increasing.toFixed(1)}, falling ${decreasing.toFixed(1)}`
  return [`${label}: effective length ${reached}; ${means}\n`]
}
