import { formatBytes } from '@qpkv/spec'
import type { Cell, ReportSection, Table, TableRow } from './html-report.ts'
import { specKind, type SpecKind } from './spec-kind.ts'
import type { SpecSummary } from './spec-summary.ts'

/** Shares of the full cache at which kinds are compared. */
const SHARES = [1 / 16, 1 / 8, 1 / 4, 1 / 2]

/** Rows of one model, benchmark and protocol. */
export interface OverviewPart {
  readonly title: string
  readonly summaries: readonly SpecSummary[]
}

/**
 * What prune-only, quantize-only and joint reach within shares of the full cache: a block
 * of rows per part. Nothing without a joint row.
 */
export function overviewSection(parts: readonly OverviewPart[]): ReportSection[] {
  const compared = parts.filter(({ summaries }) =>
    summaries.some(({ spec }) => specKind(spec.spec) === 'joint'),
  )
  if (compared.length === 0) return []
  return [
    {
      title: 'At equal real bytes',
      paragraphs: [
        'The best row of each kind that fits into a share of the full 16-bit cache, real bytes counted. A row is the best one of its kind on these samples; where intervals overlap, the order may be chance.',
      ],
      tables: [overviewTable(compared)],
    },
  ]
}

function overviewTable(parts: readonly OverviewPart[]): Table {
  return {
    columns: [
      { title: 'model, benchmark' },
      { title: 'within' },
      ...['prune only', 'quantize only', 'joint'].map((title) => ({ title })),
      { title: 'best row' },
    ],
    rows: parts.flatMap(({ title, summaries }) => {
      const rows = SHARES.flatMap((share) => shareRow(summaries, share))
      return rows.map((cells, i): TableRow => {
        const whole = [i === 0 ? title : '', ...cells]
        return i === 0 ? { cells: whole, begins: true } : { cells: whole }
      })
    }),
  }
}

/** One share of the full cache; nothing where no row fits. */
function shareRow(summaries: readonly SpecSummary[], share: number): Cell[][] {
  const best = (['prune', 'quantize', 'joint'] as const).map((kind) => bestWithin(summaries, kind, share))
  const winner = best.reduce((a, b) => (b && (!a || b.score > a.score) ? b : a), undefined)
  if (!winner) return []
  return [
    [
      `1/${Math.round(1 / share)}`,
      ...best.map((one) => (one ? { text: scoreText(one), share: one.score } : 'none fits')),
      `${winner.spec.label} (${formatBytes(Math.round(winner.bytesPlanned))})`,
    ],
  ]
}

const scoreText = ({ score, interval }: SpecSummary) =>
  `${score.toFixed(3)} (${interval.low.toFixed(2)} to ${interval.high.toFixed(2)})`

/** The best row of a kind within a share of the full cache; the cheaper one of equals. */
export function bestWithin(
  summaries: readonly SpecSummary[],
  kind: SpecKind,
  share: number,
): SpecSummary | undefined {
  return summaries
    .filter(
      ({ spec, bytesPlanned, bytesFull }) =>
        specKind(spec.spec) === kind && bytesPlanned <= share * bytesFull,
    )
    .sort((a, b) => b.score - a.score || a.bytesPlanned - b.bytesPlanned)[0]
}
