import { spreadLabels } from './spread-labels.ts'
import { lineAt, textAt, textWidth } from './svg.ts'
import { styleOf, type TradeoffCurve } from './tradeoff-curve.ts'
import { PLOT, yAt, type Scale } from './tradeoff-scale.ts'

interface CurveEnd {
  readonly curve: TradeoffCurve
  readonly x: number
  readonly y: number
}

/**
 * Names right of the curves' ends, below whatever else is there, with a thin line back where they had to move. Undefined where one would lie on
 * a curve.
 */
export function curveLabels(curves: readonly TradeoffCurve[], x: Scale): string[] | undefined {
  const ends = curves.flatMap((curve): CurveEnd[] => {
    const last = [...curve.points].sort((a, b) => a.bytes - b.bytes).at(-1)
    return last ? [{ curve, x: x.at(last.bytes), y: yAt(last.score) }] : []
  })
  const marks = curves.flatMap(({ points }) =>
    points.map((point) => ({ x: x.at(point.bytes), y: yAt(point.low) })),
  )
  const labels = columnsOf(ends).flatMap((column) => labelColumn(column, marks))
  return labels.some(({ box }) => crossed(box, curves, x)) ? undefined : labels.flatMap(({ svg }) => svg)
}

interface Box {
  readonly left: number
  readonly right: number
  readonly top: number
  readonly bottom: number
}

/** Whether a curve runs through a box; looked at every two units of its way. */
function crossed({ left, right, top, bottom }: Box, curves: readonly TradeoffCurve[], x: Scale): boolean {
  return curves.some(({ points }) => {
    const way = [...points]
      .sort((a, b) => a.bytes - b.bytes)
      .map(({ bytes, score }) => ({ x: x.at(bytes), y: yAt(score) }))
    return way.slice(1).some((to, i) => {
      const from = way[i] ?? to
      const steps = Math.ceil(Math.hypot(to.x - from.x, to.y - from.y) / 2)
      return Array.from({ length: steps + 1 }, (_, n) => n / Math.max(1, steps)).some((share) => {
        const [px, py] = [from.x + share * (to.x - from.x), from.y + share * (to.y - from.y)]
        return px > left && px < right && py > top && py < bottom
      })
    })
  })
}

interface Label {
  readonly svg: readonly string[]
  readonly box: Box
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

function labelColumn(column: readonly CurveEnd[], marks: readonly { x: number; y: number }[]): Label[] {
  const from = Math.max(...column.map((end) => end.x))
  const to = from + 20 + Math.max(...column.map(({ curve }) => textWidth(curve.label, LABEL)))
  const inTheWay = marks.filter((mark) => mark.x > from + NEAR / 2 && mark.x < to + 6)
  const low = inTheWay.length === 0 ? PLOT.top - 4 : Math.max(...inTheWay.map(({ y }) => y)) + 14
  const places = spreadLabels(
    column.map(({ y }) => y),
    17,
    { low, high: Math.max(low, PLOT.bottom - 6) },
  )
  return column.map(({ curve, x, y }, i): Label => {
    const place = places[i] ?? y
    const { color } = styleOf(curve)
    const lead = { stroke: color, 'stroke-opacity': 0.7 }
    const left = from + 19
    return {
      box: { left, right: left + textWidth(curve.label, LABEL, 'bold'), top: place - 7, bottom: place + 7 },
      svg: [
        Math.abs(place - y) > 6 ? lineAt(x + 6, y, from + 16, place, lead) : '',
        textAt(left, place + 4, curve.label, { fill: color, weight: 'bold', size: LABEL }),
      ],
    }
  })
}

/** Names of single points; one that would touch its neighbor goes a line higher. */
export function pointLabels(curves: readonly TradeoffCurve[], x: Scale): string[] {
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
