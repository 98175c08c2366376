import type { Results } from '../result/read-results.ts'
import { compareRecords, withHolm, type Comparison } from '../stats/compare.ts'
import { specKind } from './spec-kind.ts'
import type { SpecSummary } from './spec-summary.ts'

/**
 * Each row against the full cache of the same file, by spec id, with p after Holm over all of them: a table with many rows shows
 * some that differ by chance alone. Empty where no row keeps everything, or none beside it.
 */
export function againstFull(
  { records }: Results,
  summaries: readonly SpecSummary[],
  metric: string,
): ReadonlyMap<string, Comparison> {
  const full = summaries.find(({ spec }) => specKind(spec.spec) === 'full')
  if (!full) return new Map()
  const side = ({ spec }: SpecSummary) => ({
    label: spec.label,
    records: records.filter(
      (record) => record.spec === spec.id && record.answers.every(({ scores }) => metric in scores),
    ),
  })
  const base = side(full)
  const samples = new Set(base.records.map(({ sample }) => sample))
  const others = summaries.filter(
    (row) => row !== full && side(row).records.some(({ sample }) => samples.has(sample)),
  )
  const compared = withHolm(others.map((row) => compareRecords(base, side(row), { metric, worst: 0 })))
  return new Map(others.map(({ spec }, i) => [spec.id, compared[i]!]))
}
