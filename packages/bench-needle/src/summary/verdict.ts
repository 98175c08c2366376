import { holm, mcnemarExact } from '@qpkv/bench-kit'
import { formatBytes } from '@qpkv/spec'
import type { RowSummary } from './summarize.ts'

/** The best row at one budget, and how sure that is. */
export interface Winner {
  readonly budgetBytes: number
  readonly best: RowSummary
  /** The next one, if there is more than one row at this budget. */
  readonly second?: RowSummary
  /** Exact McNemar between the two, by Holm for the best against every other at this budget; 1 when they answered alike. */
  readonly p: number
  /** The prune-only row at 16 bit, if there is one. */
  readonly pruneOnly?: RowSummary
}

const SURE = 0.05

/** Per budget of real bytes, ascending. Equal accuracy: fewer bytes win, then the earlier row. */
export function winners(summaries: readonly RowSummary[]): Winner[] {
  const budgets = [...new Set(summaries.flatMap(({ row }) => row.budgetBytes ?? []))].sort((a, b) => a - b)
  return budgets.flatMap((budgetBytes): Winner[] => {
    const here = summaries.filter(({ row }) => row.budgetBytes === budgetBytes)
    const [best, ...others] = [...here].sort((a, b) => b.score - a.score || a.bytesPlanned - b.bytesPlanned)
    const [second] = others
    const pruneOnly = here.find(({ row }) => row.kind === 'prune')
    if (!best) return []
    return [
      {
        budgetBytes,
        best,
        ...(second ? { second } : {}),
        p: holm(others.map((other) => pairedP(best, other)))[0] ?? 1,
        ...(pruneOnly ? { pruneOnly } : {}),
      },
    ]
  })
}

function pairedP(a: RowSummary, b: RowSummary): number {
  const other = new Map(b.outcomes.map(({ id, right }) => [id, right]))
  const pairs = a.outcomes.filter(({ id }) => other.has(id))
  const onlyA = pairs.filter(({ id, right }) => right && other.get(id) === false).length
  const onlyB = pairs.filter(({ id, right }) => !right && other.get(id) === true).length
  return mcnemarExact(onlyA, onlyB)
}

const percent = (share: number) => `${Math.round(share * 100)} %`

const nameOf = ({ row }: RowSummary) => {
  const width = row.bits === undefined ? row.spec.quantize.method : `${row.bits} bit`
  return row.kind === 'prune' ? `pruning alone at ${width}` : `pruning + ${width}`
}

const tokensOf = ({ tokensKept }: RowSummary) => `${Math.round(tokensKept)} tokens per head`

/** One sentence: what won at each budget, whichever it is, and what quantizing alone costs. */
export function verdict(summaries: readonly RowSummary[]): string {
  const parts = winners(summaries).map((winner) => budgetPart(winner))
  const quantize = quantizePart(summaries)
  if (parts.length === 0) return quantize ? `${capital(quantize)}.` : 'Nothing was compared at equal bytes.'
  const main = capital(parts.join('; '))
  return quantize ? `${main}; ${quantize}.` : `${main}.`
}

function budgetPart({ budgetBytes, best, second, p, pruneOnly }: Winner): string {
  const where = `at ${formatBytes(budgetBytes)}`
  const result = `${percent(best.score)} right, ${tokensOf(best)}`
  if (best.right === 0) return `${where} no row got anything right`
  if (!second) return `${where} ${nameOf(best)} got ${result}`
  if (second.right === best.right && second.answers === best.answers) {
    return `${where} ${nameOf(best)} and ${nameOf(second)} are level (${result})`
  }
  const won = `${where} ${nameOf(best)} won (${result})`
  const others: string[] = []
  if (p <= SURE) others.push(`against ${standing(second)}`)
  else others.push(`not clearly ahead of ${standing(second, `p = ${p.toFixed(2)}`)}`)
  if (pruneOnly && pruneOnly !== best && pruneOnly !== second) others.push(`with ${standing(pruneOnly)}`)
  return `${won}, ${others.join(', ')}`
}

const standing = (row: RowSummary, more?: string) =>
  `${nameOf(row)} (${[percent(row.score), tokensOf(row), ...(more === undefined ? [] : [more])].join(', ')})`

/** The cheapest quantize-only row that is not clearly worse than the full cache. */
function quantizePart(summaries: readonly RowSummary[]): string {
  const full = summaries.find(({ row }) => row.kind === 'full')
  const quantized = summaries
    .filter(({ row }) => row.kind === 'quantize')
    .sort((a, b) => a.bytesPlanned - b.bytesPlanned)
  if (!full || quantized.length === 0) return ''
  const good = quantized.find((row) => row.score >= full.score || pairedP(full, row) > SURE)
  if (!good) return `no width of quantizing alone kept up with the full cache (${percent(full.score)})`
  const share = percent(good.bytesPlanned / good.bytesFull)
  const width = good.row.bits === undefined ? good.row.label : `${good.row.bits} bit`
  return `${width} without pruning gets ${percent(good.score)} at ${share} of the memory (full cache ${percent(full.score)})`
}

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1)
