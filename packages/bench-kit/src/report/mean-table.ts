import { mean, wilsonInterval } from '../stats/intervals.ts'
import { stratifiedMean } from '../stats/student.ts'
import { specIdOf } from '../result/ids.ts'
import type { SampleRecord } from '../result/record.ts'
import type { NamedSpec } from '../run/run-samples.ts'
import { orDash, textTable } from './text-table.ts'

/** A row per spec with the mean of every score and the 95 % interval of the first: the table of a benchmark that brings none. */
export function meanTable(records: readonly SampleRecord[], specs: readonly NamedSpec[]): string {
  const metrics = [
    ...new Set(records.flatMap(({ answers }) => answers.flatMap(({ scores }) => Object.keys(scores)))),
  ]
  const rows = specs.map(({ label, spec }) => {
    const mine = records.filter((record) => record.spec === specIdOf(spec))
    const scores = (metric: string) =>
      mine.flatMap(({ answers }) => answers.flatMap((answer) => answer.scores[metric] ?? []))
    const means = metrics.map((metric) => orDash(mean(scores(metric)), 3))
    return [label, ...means, intervalText(scores(metrics[0] ?? '')), String(mine.length)]
  })
  return textTable(['spec', ...metrics, `95 % of ${metrics[0] ?? 'score'}`, 'samples'], rows)
}

function intervalText(scores: readonly number[]): string {
  if (scores.length === 0) return '-'
  const right = scores.filter((score) => score === 1).length
  const binary = scores.every((score) => score === 0 || score === 1)
  const { low, high } = binary ? wilsonInterval(right, scores.length) : stratifiedMean([scores])
  return `${low.toFixed(3)} to ${high.toFixed(3)}`
}
