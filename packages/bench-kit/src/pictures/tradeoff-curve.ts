import { element, type Attributes } from './svg.ts'

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

export type Mark = 'circle' | 'ring' | 'square' | 'diamond' | 'triangle' | 'cross'

export interface CurveStyle {
  readonly color: string
  readonly mark: Mark
  /** Lengths of dashes and gaps; none for a whole line. */
  readonly dashes?: string
}

/** How a curve looks: on white and on dark paper alike, and told apart by marks and dashes where colors are not seen. */
export function styleOf({ kind, bits = 4 }: TradeoffCurve): CurveStyle {
  if (kind === 'prune') return { color: '#E0662B', mark: 'square' }
  if (kind === 'quantize') return { color: '#8B6FD6', mark: 'diamond', dashes: '1 4' }
  if (kind === 'full') return { color: '#7D8894', mark: 'triangle' }
  if (bits >= 8) return { color: '#39A9C9', mark: 'ring', dashes: '9 3 2 3' }
  if (bits >= 3) return { color: '#2F81D8', mark: 'circle', dashes: '8 4' }
  return { color: '#12A277', mark: 'cross', dashes: '3 3' }
}

/** A mark of a curve in its color, centered; `title` is the element that a mouse shows. */
export function drawMark(mark: Mark, x: number, y: number, fill: string, title: string): string {
  const r = 5
  const style: Attributes = { fill }
  if (mark === 'circle') return element('circle', { cx: x, cy: y, r, ...style }, title)
  if (mark === 'ring')
    return element(
      'circle',
      { cx: x, cy: y, r: r - 0.5, fill: 'none', stroke: fill, 'stroke-width': 2.5 },
      title,
    )
  if (mark === 'cross') {
    const strokes = `M${x - r + 1} ${y - r + 1}l8 8m-8 0l8 -8`
    return element('path', { d: strokes, stroke: fill, 'stroke-width': 3, fill: 'none' }, title)
  }
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
