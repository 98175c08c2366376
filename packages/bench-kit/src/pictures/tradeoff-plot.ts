import { formatBytes, KvError } from '@qpkv/spec'
import { element, escapeXml, lineAt, picture, textAt, textWidth } from './svg.ts'
import { drawMark, styleOf, type TradeoffCurve, type TradeoffPoint } from './tradeoff-curve.ts'
import { curveLabels, pointLabels } from './tradeoff-labels.ts'
import { byteScale, PLOT, yAt, type Scale } from './tradeoff-scale.ts'

export interface TradeoffPlotOptions {
  readonly title: string
  readonly subtitle?: string
  readonly curves: readonly TradeoffCurve[]
  /** Default `Accuracy`. */
  readonly scoreLabel?: string
  /** Below the axis; real bytes unless given. */
  readonly bytesLabel?: string
}

const SIZE = { width: 800, height: 460 }

/**
 * Accuracy against real bytes (logarithmic): prune-only, quantize-only and joint
 * curves with confidence intervals and direct labels.
 */
export function tradeoffPlotSvg({
  title,
  subtitle,
  curves,
  scoreLabel = 'Accuracy',
  bytesLabel = 'real bytes of the cache (logarithmic)',
}: TradeoffPlotOptions): string {
  const all = curves.flatMap(({ points }) => points)
  if (all.length === 0) throw new KvError('KV_DATA', `Expected at least one point to plot for "${title}".`)
  const x = byteScale(all.map(({ bytes }) => bytes))
  const labels = curves.length > MAX_DIRECT ? undefined : curveLabels(curves, x)
  const crowded = labels === undefined
  const legendWidth = crowded ? legendSpace(curves) : 0
  return picture(
    Math.max(SIZE.width, PLOT.right + legendWidth),
    SIZE.height,
    title,
    textAt(PLOT.left, 26, title, { size: 16, weight: 'bold' }),
    subtitle ? textAt(PLOT.left, 44, subtitle, { size: 12, tone: 'muted' }) : '',
    ...axes(x, scoreLabel, bytesLabel),
    ...curves.map((curve) => drawCurve(curve, x)),
    ...pointLabels(curves, x),
    ...(labels ?? legend(curves)),
  )
}

/** More curves than this get a legend, because their ends lie too close for names; and so do those whose names would lie on a line. */
const MAX_DIRECT = 4
const LEGEND = { left: PLOT.right + 36, step: 22, size: 12.5 }

const legendSpace = (curves: readonly TradeoffCurve[]) =>
  LEGEND.left -
  PLOT.right +
  32 +
  Math.max(...curves.map(({ label }) => textWidth(label, LEGEND.size, 'bold')))

/** Marks and names at the right, in the order of the curves. */
const legend = (curves: readonly TradeoffCurve[]): string[] =>
  curves.flatMap((curve, i) => {
    const { color, mark, dashes } = styleOf(curve)
    const y = PLOT.top + 8 + i * LEGEND.step
    const line = { stroke: color, 'stroke-width': 2.5, 'stroke-dasharray': dashes }
    return [
      curve.points.length > 1 ? lineAt(LEGEND.left - 14, y, LEGEND.left + 14, y, line) : '',
      drawMark(mark, LEGEND.left, y, color, ''),
      textAt(LEGEND.left + 20, y + 4, curve.label, { fill: color, weight: 'bold', size: LEGEND.size }),
    ]
  })

function axes(x: Scale, scoreLabel: string, bytesLabel: string): string[] {
  const scores = [0, 0.25, 0.5, 0.75, 1]
  return [
    ...scores.flatMap((score) => [
      lineAt(PLOT.left, yAt(score), PLOT.right, yAt(score)),
      textAt(PLOT.left - 8, yAt(score) + 4, `${score * 100}%`, { anchor: 'end', tone: 'muted' }),
    ]),
    ...x.ticks.flatMap((bytes) => [
      lineAt(x.at(bytes), PLOT.bottom, x.at(bytes), PLOT.bottom + 5),
      textAt(x.at(bytes), PLOT.bottom + 20, formatBytes(bytes), {
        anchor: 'middle',
        tone: 'muted',
        size: 11,
      }),
    ]),
    textAt((PLOT.left + PLOT.right) / 2, PLOT.bottom + 42, bytesLabel, {
      anchor: 'middle',
      tone: 'muted',
    }),
    textAt(16, (PLOT.top + PLOT.bottom) / 2, scoreLabel, { anchor: 'middle', tone: 'muted', rotate: -90 }),
  ]
}

function drawCurve(curve: TradeoffCurve, x: Scale): string {
  const { color, mark, dashes } = styleOf(curve)
  const points = [...curve.points].sort((a, b) => a.bytes - b.bytes)
  const path = points
    .map(({ bytes, score }) => `${x.at(bytes).toFixed(1)},${yAt(score).toFixed(1)}`)
    .join(' ')
  const line = {
    points: path,
    fill: 'none',
    stroke: color,
    'stroke-width': 2.5,
    'stroke-linejoin': 'round',
    'stroke-dasharray': dashes,
  }
  return [
    ...points.map((point) => whisker(x.at(point.bytes), point, color)),
    points.length > 1 ? element('polyline', line) : '',
    ...points.map((point) =>
      drawMark(mark, x.at(point.bytes), yAt(point.score), color, describe(curve, point)),
    ),
  ].join('')
}

const describe = ({ label }: TradeoffCurve, { name = label, bytes, score, low, high }: TradeoffPoint) =>
  `<title>${escapeXml(name)}: ${formatBytes(bytes)}, ${percent(score)} (${percent(low)} to ${percent(high)})</title>`

const percent = (share: number) => `${(share * 100).toFixed(0)} %`

function whisker(x: number, { low, high }: TradeoffPoint, stroke: string): string {
  const style = { stroke, 'stroke-width': 1.4, 'stroke-opacity': 0.55 }
  return [
    lineAt(x, yAt(low), x, yAt(high), style),
    lineAt(x - 4, yAt(low), x + 4, yAt(low), style),
    lineAt(x - 4, yAt(high), x + 4, yAt(high), style),
  ].join('')
}
