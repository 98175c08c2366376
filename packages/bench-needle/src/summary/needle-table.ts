import type { Table } from '@qpkv/bench-kit'
import { formatBytes } from '@qpkv/spec'
import type { RowSummary } from './summarize.ts'
import { winners } from './verdict.ts'

const whole = (value: number) => Math.round(value).toLocaleString('en-US')
const bits = (value = 16) => Number(value.toFixed(1)).toString()

/** Share of the full cache with one decimal below 10 %. */
const share = (value: number) => `${(value * 100).toFixed(value < 0.0995 ? 1 : 0)} %`

/** The demo's table: quality and cost per row; the best of each budget is marked. */
export function needleTable(summaries: readonly RowSummary[], caption?: string): Table {
  const best = new Set(winners(summaries).map((winner) => winner.best))
  const right = (title: string) => ({ title, align: 'right' }) as const
  return {
    ...(caption === undefined ? {} : { caption }),
    columns: [
      { title: 'row' },
      right('tokens kept'),
      right('bits'),
      right('true bits'),
      right('planned'),
      right('allocated'),
      right('of full'),
      { title: 'right' },
      right('95 % interval'),
      right('decode tok/s'),
    ],
    rows: summaries.map((summary, i) => ({
      cells: [
        summary.row.label,
        whole(summary.tokensKept),
        bits(summary.bits?.nominal),
        (summary.bits?.true ?? 16).toFixed(2),
        formatBytes(Math.round(summary.bytesPlanned)),
        formatBytes(Math.round(summary.bytesAllocated)),
        share(summary.bytesPlanned / summary.bytesFull),
        {
          text: `${Math.round(summary.score * 100)} % (${summary.right}/${summary.answers})`,
          share: summary.score,
        },
        `${Math.round(summary.interval.low * 100)} to ${Math.round(summary.interval.high * 100)}`,
        whole(summary.decodeTokensPerSecond),
      ],
      ...(best.has(summary) ? { best: true } : {}),
      ...(i > 0 && groupOf(summary) !== groupOf(summaries[i - 1]) ? { begins: true } : {}),
    })),
  }
}

const groupOf = (summary: RowSummary | undefined) => summary?.row.budgetBytes ?? 0
