import { formatBytes, KvError } from '@qpkv/spec'
import { spreadLabels } from './spread-labels.ts'
import { element, escapeXml, lineAt, picture, textAt, textWidth, type Attributes } from './svg.ts'

/** One measured row. */
export interface TradeoffPoint {
  /** Real bytes of the cache. */
  readonly bytes: number
  /** 0 to 1, with its confidence interval. */
  readonly score: number
  readonly low: number
  readonly high: number
  /** Written beside the point when the curve has no line: `8 bit`. */
  readonly label?: string
  /** Shown when the mouse rests on the point; the curve's label unless given. */
  readonly name?: string
}

/** A curve: what it changes decides color and mark. */
export interface TradeoffCurve {
  readonly label: string
  readonly kind: 'full' | 'prune' | 'quantize' | 'joint'
  /** Bits of a joint curve; lower is darker. */
  readonly bits?: number
  readonly points: readonly TradeoffPoint[]
}

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
const PLOT = { left: 58, top: 80, right: 660, bottom: 404 }

/** Readable on white and on dark paper alike. */
function styleOf({ kind, bits = 4 }: TradeoffCurve): {
  color: string
  mark: 'circle' | 'square' | 'diamond' | 'triangle'
} {
  if (kind === 'prune') return { color: '#E0662B', mark: 'square' }
  if (kind === 'quantize') return { color: '#8B6FD6', mark: 'diamond' }
  if (kind === 'full') return { color: '#7D8894', mark: 'triangle' }
  return { color: bits >= 8 ? '#39A9C9' : bits >= 3 ? '#2F81D8' : '#12A277', mark: 'circle' }
}

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
  const crowded = curves.length > MAX_DIRECT
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
    ...(crowded ? legend(curves) : curveLabels(curves, x)),
  )
}

/** More curves than this get a legend, because their ends lie too close for names. */
const MAX_DIRECT = 4
const LEGEND = { left: PLOT.right + 28, step: 22, size: 12.5 }

const legendSpace = (curves: readonly TradeoffCurve[]) =>
  LEGEND.left - PLOT.right + 26 + Math.max(...curves.map(({ label }) => textWidth(label, LEGEND.size)))

/** Marks and names at the right, in the order of the curves. */
const legend = (curves: readonly TradeoffCurve[]): string[] =>
  curves.flatMap((curve, i) => {
    const { color, mark } = styleOf(curve)
    const y = PLOT.top + 8 + i * LEGEND.step
    return [
      drawMark(mark, LEGEND.left, y, color, ''),
      textAt(LEGEND.left + 14, y + 4, curve.label, { fill: color, weight: 'bold', size: LEGEND.size }),
    ]
  })

type Scale = ReturnType<typeof byteScale>

function byteScale(bytes: readonly number[]) {
  // An empty cache has no place on a logarithmic axis; it is drawn at one byte. What no machine holds is drawn at the end.
  const position = (value: number) => Math.min(60, Math.log2(Math.max(1, value)))
  const low = position(Math.min(...bytes)) - 0.35
  const high = position(Math.max(...bytes)) + 0.35
  const at = (value: number) =>
    PLOT.left + ((position(value) - low) / (high - low)) * (PLOT.right - PLOT.left)
  const step = Math.max(1, Math.ceil((high - low) / 9))
  const ticks: number[] = []
  for (let power = Math.ceil(low); power <= high; power += step) ticks.push(2 ** power)
  return { at, ticks }
}

const yAt = (score: number) => PLOT.bottom - score * (PLOT.bottom - PLOT.top)

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
  const { color, mark } = styleOf(curve)
  const points = [...curve.points].sort((a, b) => a.bytes - b.bytes)
  const path = points
    .map(({ bytes, score }) => `${x.at(bytes).toFixed(1)},${yAt(score).toFixed(1)}`)
    .join(' ')
  const line = { points: path, fill: 'none', stroke: color, 'stroke-width': 2.5, 'stroke-linejoin': 'round' }
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

function drawMark(mark: string, x: number, y: number, fill: string, title: string): string {
  const r = 5
  const style: Attributes = { fill }
  if (mark === 'circle') return element('circle', { cx: x, cy: y, r, ...style }, title)
  if (mark === 'square')
    return element('rect', { x: x - r + 0.5, y: y - r + 0.5, width: 9, height: 9, ...style }, title)
  const corners =
    mark === 'diamond'
      ? [
          [0, -6.5],
          [6.5, 0],
          [0, 6.5],
          [-6.5, 0],
        ]
      : [
          [0, -6],
          [6, 5],
          [-6, 5],
        ]
  const points = corners.map(([dx = 0, dy = 0]) => `${x + dx},${y + dy}`).join(' ')
  return element('polygon', { points, ...style }, title)
}

interface CurveEnd {
  readonly curve: TradeoffCurve
  readonly x: number
  readonly y: number
}

/** Names right of the curves' ends, below whatever else is there, with a thin line back where they had to move. */
function curveLabels(curves: readonly TradeoffCurve[], x: Scale): string[] {
  const ends = curves.flatMap((curve): CurveEnd[] => {
    const last = [...curve.points].sort((a, b) => a.bytes - b.bytes).at(-1)
    return last ? [{ curve, x: x.at(last.bytes), y: yAt(last.score) }] : []
  })
  const marks = curves.flatMap(({ points }) =>
    points.map((point) => ({ x: x.at(point.bytes), y: yAt(point.low) })),
  )
  return columnsOf(ends).flatMap((column) => labelColumn(column, marks))
}

/** Ends that lie above each other. */
function columnsOf(ends: readonly CurveEnd[]): CurveEnd[][] {
  const columns: CurveEnd[][] = []
  for (const end of [...ends].sort((a, b) => a.x - b.x)) {
    const column = columns.at(-1)
    if (column?.[0] && end.x - column[0].x < NEAR) column.push(end)
    else columns.push([end])
  }
  return columns
}

const NEAR = 24
const LABEL = 12.5

function labelColumn(column: readonly CurveEnd[], marks: readonly { x: number; y: number }[]): string[] {
  const from = Math.max(...column.map((end) => end.x))
  const to = from + 20 + Math.max(...column.map(({ curve }) => textWidth(curve.label, LABEL)))
  const inTheWay = marks.filter((mark) => mark.x > from + NEAR / 2 && mark.x < to + 6)
  const low = inTheWay.length === 0 ? PLOT.top - 4 : Math.max(...inTheWay.map(({ y }) => y)) + 14
  const places = spreadLabels(
    column.map(({ y }) => y),
    17,
    { low, high: Math.max(low, PLOT.bottom - 6) },
  )
  return column.flatMap(({ curve, x, y }, i) => {
    const place = places[i] ?? y
    const { color } = styleOf(curve)
    const lead = { stroke: color, 'stroke-opacity': 0.7 }
    return [
      Math.abs(place - y) > 6 ? lineAt(x + 6, y, from + 16, place, lead) : '',
      textAt(from + 19, place + 4, curve.label, { fill: color, weight: 'bold', size: LABEL }),
    ]
  })
}

/** Names of single points; one that would touch its neighbor goes a line higher. */
function pointLabels(curves: readonly TradeoffCurve[], x: Scale): string[] {
  const labels = curves
    .flatMap((curve) => curve.points.map((point) => ({ curve, ...point })))
    .flatMap(({ curve, label, bytes, high }) => {
      if (label === undefined) return []
      const half = textWidth(label, 11) / 2
      const place = Math.min(x.at(bytes), PLOT.right - half)
      return [{ curve, label, half, place, y: yAt(high) - 8 }]
    })
    .sort((a, b) => a.place - b.place)
  const drawn: typeof labels = []
  for (const label of labels) {
    const touches = (other: (typeof labels)[number]) =>
      Math.abs(other.y - label.y) < 12 && label.place - other.place < label.half + other.half + 4
    while (drawn.some(touches)) label.y -= 12
    drawn.push(label)
  }
  return drawn.map(({ curve, label, place, y }) =>
    textAt(place, y, label, { fill: styleOf(curve).color, size: 11, anchor: 'middle' }),
  )
}
