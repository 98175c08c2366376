import { formatBytes } from '@qpkv/spec'
import type { ReportSection, Table, TableRow } from './html-report.ts'
import { specKind, type SpecKind } from './spec-kind.ts'
import type { SpecSummary } from './spec-summary.ts'

/** Shares of the full cache at which kinds are compared. */
const SHARES = [1 / 16, 1 / 8, 1 / 4, 1 / 2]

/** Rows of one model, benchmark and protocol. */
export interface OverviewPart {
  readonly title: string
  readonly summaries: readonly SpecSummary[]
}

/** What prune-only, quantize-only and joint reach within shares of the full cache: a block of rows per part. Nothing without a joint row. */
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
  const kinds = ['prune', 'quantize', 'joint'] as const
  return {
    columns: [
      { title: 'model, benchmark' },
      { title: 'within' },
      ...['prune only', 'quantize only', 'joint'].map((title) => ({ title })),
      { title: 'best row' },
    ],
    rows: parts.flatMap(({ title, summaries }) =>
      SHARES.flatMap((share, i): TableRow[] => {
        const best = kinds.map((kind) => bestWithin(summaries, kind, share))
        const winner = best.reduce((a, b) => (b && (!a || b.score > a.score) ? b : a), undefined)
        if (!winner) return []
        return [
          {
            cells: [
              i === 0 ? title : '',
              `1/${Math.round(1 / share)}`,
              ...best.map((one) => (one ? { text: scoreText(one), share: one.score } : 'none fits')),
              `${winner.spec.label} (${formatBytes(Math.round(winner.bytesPlanned))})`,
            ],
            ...(i === 0 ? { begins: true } : {}),
          },
        ]
      }),
    ),
  }
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
