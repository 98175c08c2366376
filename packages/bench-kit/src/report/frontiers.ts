import type { TradeoffCurve, TradeoffPoint } from '../pictures/tradeoff-curve.ts'
import { specKind, type SpecKind } from './spec-kind.ts'
import type { SpecSummary } from './spec-summary.ts'

/** Which bytes a plot counts: what is really stored, or the codes alone as the papers do. */
export type ByteCount = 'real' | 'nominal'

/** Mean bytes of the cache; nominal: kept tokens at their code width, nothing else. */
export const bytesOf = (summary: SpecSummary, count: ByteCount): number =>
  count === 'real'
    ? summary.bytesPlanned
    : (summary.bytesFull * summary.tokensKept * (summary.bits?.nominal ?? 16)) / (16 * summary.promptTokens)

/** Specs of one kind that no other of the kind beats with fewer or equal bytes, by bytes ascending. */
export function frontier(
  summaries: readonly SpecSummary[],
  kind: SpecKind,
  count: ByteCount = 'real',
): SpecSummary[] {
  const mine = summaries
    .filter(({ spec }) => specKind(spec.spec) === kind)
    .sort((a, b) => bytesOf(a, count) - bytesOf(b, count) || b.score - a.score)
  let best = -Infinity
  return mine.filter(({ score }) => {
    if (score <= best) return false
    best = score
    return true
  })
}

const names: Readonly<Record<SpecKind, string>> = {
  full: 'full cache',
  quantize: 'quantize only',
  prune: 'prune only',
  joint: 'joint',
}

/** Prune-only, quantize-only and joint frontiers over all methods, and the full cache. */
export function frontiersOf(summaries: readonly SpecSummary[], count: ByteCount = 'real'): TradeoffCurve[] {
  return (['full', 'quantize', 'prune', 'joint'] as const).flatMap((kind) => {
    const points = frontier(summaries, kind, count).map((summary): TradeoffPoint => ({
      bytes: bytesOf(summary, count),
      score: summary.score,
      ...summary.interval,
      name: summary.spec.label,
    }))
    return points.length === 0 ? [] : [{ label: names[kind], kind, points }]
  })
}
