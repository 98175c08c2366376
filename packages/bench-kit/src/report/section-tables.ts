import { formatBytes, printSpec } from '@qpkv/spec'
import type { Comparison } from '../stats/compare.ts'
import type { Results } from '../result/read-results.ts'
import { mean } from '../stats/intervals.ts'
import type { Table } from './html-report.ts'
import type { SpecSummary } from './spec-summary.ts'

const right = (title: string) => ({ title, align: 'right' }) as const
const whole = (value: number) => Math.round(value).toLocaleString('en-US')

/** Quality and cost, a row per spec; with what `againstFull` gives, also how sure each row's distance from the full cache is. */
export function summaryTable(
  summaries: readonly SpecSummary[],
  metric: string,
  against: ReadonlyMap<string, Comparison>,
): Table {
  const compares = against.size > 0
  const fastest = Math.max(1, ...summaries.map(({ decodeTokensPerSecond }) => decodeTokensPerSecond))
  return {
    columns: [
      { title: 'row' },
      { title: metric },
      right('95 % interval'),
      ...(compares ? [right('p against full (Holm)')] : []),
      right('answers'),
      right('tokens kept'),
      right('bits'),
      right('true bits'),
      right('planned'),
      right('allocated'),
      right('of full'),
      right('prefill tok/s'),
      { title: 'decode tok/s' },
      right('peak RSS'),
    ],
    rows: summaries.map((summary, i) => ({
      cells: [
        summary.spec.label,
        { text: summary.score.toFixed(3), share: summary.score },
        `${summary.interval.low.toFixed(3)} to ${summary.interval.high.toFixed(3)}`,
        ...(compares ? [chance(against.get(summary.spec.id))] : []),
        whole(summary.answers),
        whole(summary.tokensKept),
        summary.bits ? String(Number(summary.bits.nominal.toFixed(1))) : '',
        summary.bits ? summary.bits.true.toFixed(2) : '',
        formatBytes(Math.round(summary.bytesPlanned)),
        formatBytes(Math.round(summary.bytesAllocated)),
        `${((100 * summary.bytesPlanned) / summary.bytesFull).toFixed(1)} %`,
        whole(summary.prefillTokensPerSecond),
        { text: whole(summary.decodeTokensPerSecond), share: summary.decodeTokensPerSecond / fastest },
        summary.peakRssBytes > 0 ? formatBytes(summary.peakRssBytes) : '',
      ],
      ...(i > 0 && methodOf(summary) !== methodOf(summaries[i - 1]) ? { begins: true } : {}),
    })),
  }
}

function chance(compared: Comparison | undefined): string {
  const p = compared?.pHolm ?? compared?.p
  if (p === undefined || Number.isNaN(p)) return ''
  return p < 0.001 ? '< 0.001' : p.toFixed(3)
}

const methodOf = (summary: SpecSummary | undefined) => summary?.spec.spec.prune.method

/** Mean score by task, dataset or length: a row per spec, a column per value. Nothing where there is only one. */
export function facetTables(results: Results, summaries: readonly SpecSummary[], metric: string): Table[] {
  return ['task', 'dataset', 'length'].flatMap((facet) => {
    const values = [...new Set(results.records.flatMap(({ facets }) => facets[facet] ?? []))]
    if (values.length < 2 || values.length > 40) return []
    const ordered = values.every((value) => typeof value === 'number') ? values.sort((a, b) => a - b) : values
    const score = (spec: string, value: string | number) =>
      mean(
        results.records
          .filter((record) => record.spec === spec && record.facets[facet] === value)
          .flatMap(({ answers }) => answers.flatMap(({ scores }) => scores[metric] ?? [])),
      )
    return [
      {
        caption: `Mean ${metric} by ${facet}`,
        columns: [{ title: 'row' }, ...ordered.map((value) => right(String(value)))],
        rows: summaries.map(({ spec }) => ({
          cells: [
            spec.label,
            ...ordered.map((value) => {
              const cell = score(spec.id, value)
              return Number.isNaN(cell) ? '' : cell.toFixed(3)
            }),
          ],
        })),
      },
    ]
  })
}

/** What the labels stand for, unless they say it themselves. */
export function specTable(summaries: readonly SpecSummary[]): Table[] {
  const rows = summaries.map(({ spec }) => ({ cells: [spec.label, printSpec(spec.spec)] }))
  const said = rows.every(({ cells }) => cells[0] === cells[1])
  return said ? [] : [{ columns: [{ title: 'row' }, { title: 'spec' }], rows }]
}
