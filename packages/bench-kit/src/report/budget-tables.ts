import { budgetBytes, printBudget, printMethod, type Budget } from '@qpkv/spec'
import type { Table, TableRow } from './html-report.ts'
import type { SpecSummary } from './spec-summary.ts'

/**
 * Methods x budgets: a row per pruner and quantizer, a column per budget, one table for real bytes and one for
 * every other kind. Cells hold the score and its interval. Nothing for a kind with fewer than two budgets.
 */
export function budgetTables(summaries: readonly SpecSummary[], metric: string): Table[] {
  return kinds.flatMap(({ kind, caption }) => {
    const mine = summaries.filter(({ spec }) => spec.spec.budget && kind in spec.spec.budget)
    const budgets = [...new Set(mine.map(({ spec }) => printOf(spec.spec.budget)))]
    if (budgets.length < 2) return []
    const sizes = new Map(mine.map(({ spec }) => [printOf(spec.spec.budget), sizeOf(spec.spec.budget)]))
    budgets.sort((a, b) => (sizes.get(a) ?? 0) - (sizes.get(b) ?? 0))
    const rows = new Map<string, SpecSummary[]>()
    for (const summary of mine) {
      const { prune, quantize } = summary.spec.spec
      const name = `${printMethod(prune)} + ${quantize.method === 'none' ? '16 bit' : printMethod(quantize)}`
      rows.set(name, [...(rows.get(name) ?? []), summary])
    }
    return [
      {
        caption: `${metric} ${caption}`,
        columns: [{ title: 'method' }, ...budgets.map((title) => ({ title }))],
        rows: [...rows].map(([name, cells], i): TableRow => {
          const begins = i > 0 && prunerOf(cells) !== prunerOf([...rows.values()][i - 1])
          const row = budgets.map((budget) =>
            cellOf(cells.find(({ spec }) => printOf(spec.spec.budget) === budget)),
          )
          return begins ? { cells: [name, ...row], begins } : { cells: [name, ...row] }
        }),
      },
    ]
  })
}

const kinds = [
  { kind: 'bytes', caption: 'at equal real bytes' },
  { kind: 'byteFraction', caption: "at equal shares of the full cache's real bytes" },
  { kind: 'fp16Tokens', caption: 'at equal nominal bits (N x 16: the memory of N entries of 16 bit)' },
  { kind: 'tokens', caption: 'at equal tokens per head and layer' },
  { kind: 'fraction', caption: "at equal shares of the prompt's tokens" },
] as const

const prunerOf = (cells: readonly SpecSummary[] | undefined) => cells?.[0]?.spec.spec.prune.method

const printOf = (budget: Budget | undefined): string => (budget ? printBudget(budget) : '')

function sizeOf(budget: Budget | undefined): number {
  if (!budget) return 0
  return 'bytes' in budget ? budgetBytes(budget.bytes) : Number(Object.values(budget)[0])
}

function cellOf(summary: SpecSummary | undefined) {
  if (!summary) return 'does not fit'
  const { score, interval } = summary
  return {
    text: `${score.toFixed(2)} (${interval.low.toFixed(2)} to ${interval.high.toFixed(2)})`,
    share: score,
  }
}
