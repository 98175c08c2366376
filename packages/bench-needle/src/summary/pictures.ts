import { heatMapCells, specIdOf, type HeatMap, type TradeoffCurve, type TradeoffPoint } from '@qpkv/bench-kit'
import type { NeedleResult } from './needle-result.ts'
import type { NeedleRow } from '../world/rows.ts'
import type { RowSummary } from './summarize.ts'

/** One heat map per row: depth of the asked number x length of the text. */
export function needleHeatMaps({ task, rows, records }: NeedleResult): HeatMap[] {
  const depths = [...task.depths].sort((a, b) => a - b)
  const lengths = [...task.lengths].sort((a, b) => a - b)
  return rows.flatMap((row) => {
    const id = specIdOf(row.spec)
    const mine = records.filter(({ spec }) => spec === id)
    if (mine.length === 0) return []
    const values = mine.flatMap(({ facets, answers }) =>
      answers.map((answer) => ({
        length: Number(facets['length']),
        depth: Number(answer.facets['depth']),
        score: answer.scores['exact'] ?? Number.NaN,
      })),
    )
    return [{ title: row.label, lengths, depths, scores: heatMapCells(values, lengths, depths) }]
  })
}

/** Curves of accuracy against bytes: prune-only, quantize-only, one joint curve per width, and the full cache. */
export function tradeoffCurves(summaries: readonly RowSummary[]): TradeoffCurve[] {
  const groups = groupBy(summaries, ({ row }) => curveName(row))
  return [...groups].map(([label, members]): TradeoffCurve => {
    const row = members[0]?.row
    const bits = row?.kind === 'joint' ? row.bits : undefined
    return {
      label,
      kind: row?.kind ?? 'joint',
      ...(bits === undefined ? {} : { bits }),
      points: members.map((summary) => pointOf(summary)),
    }
  })
}

function groupBy<T>(items: readonly T[], key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const item of items) groups.set(key(item), [...(groups.get(key(item)) ?? []), item])
  return groups
}

function curveName({ kind, bits, spec }: NeedleRow): string {
  if (kind === 'full') return 'full cache'
  if (kind === 'quantize') return 'quantize only'
  const width = bits === undefined ? spec.quantize.method : `${bits} bit`
  return kind === 'prune' ? `prune only, ${width}` : `joint, ${width}`
}

const pointOf = ({ row, bytesPlanned, accuracy, interval }: RowSummary): TradeoffPoint => ({
  bytes: bytesPlanned,
  score: accuracy,
  ...interval,
  ...(row.kind === 'quantize' && row.bits !== undefined ? { label: `${row.bits} bit` } : {}),
})
