import { specKind, tradeoffPlotSvg, type TradeoffCurve } from '@qpkv/bench-kit'
import { printSpec } from '@qpkv/spec'
import type { CompressionPlanning } from '../plan-result.ts'

const labels = { full: 'full cache', quantize: 'quantize only', prune: 'prune only', joint: 'joint' } as const

/** The judged specs over real bytes, a curve per kind through those that no other of the kind beats, as SVG. */
export function planningPicture({ judged, full, points, context }: CompressionPlanning): string {
  const curves = (['quantize', 'prune', 'joint'] as const).flatMap((kind): TradeoffCurve[] => {
    let best = -Infinity
    const mine = judged.filter(({ spec, quality }) => {
      if (specKind(spec) !== kind || quality.points <= best) return false
      best = quality.points
      return true
    })
    if (mine.length === 0) return []
    const at = mine.map(({ spec, bytes, quality: { points: score, low, high } }) => ({
      bytes,
      score,
      low,
      high,
      name: printSpec(spec),
    }))
    return [{ label: labels[kind], kind, points: at }]
  })
  const whole: TradeoffCurve = {
    label: labels.full,
    kind: 'full',
    points: [{ bytes: full.bytes, score: 1, low: 1, high: 1 }],
  }
  return tradeoffPlotSvg({
    title: points === 'answers' ? 'Answers kept' : 'Same next token',
    subtitle: `of the full cache, planned for ${context} tokens; 95 % intervals`,
    curves: [whole, ...curves],
    scoreLabel: points === 'answers' ? 'answers kept' : 'same next token',
  })
}
