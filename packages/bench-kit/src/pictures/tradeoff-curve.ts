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

/** How a curve looks: readable on white and on dark paper alike. */
export function styleOf({ kind, bits = 4 }: TradeoffCurve): {
  color: string
  mark: 'circle' | 'square' | 'diamond' | 'triangle'
} {
  if (kind === 'prune') return { color: '#E0662B', mark: 'square' }
  if (kind === 'quantize') return { color: '#8B6FD6', mark: 'diamond' }
  if (kind === 'full') return { color: '#7D8894', mark: 'triangle' }
  return { color: bits >= 8 ? '#39A9C9' : bits >= 3 ? '#2F81D8' : '#12A277', mark: 'circle' }
}

/** A mark of a curve in its color, centered; `title` is the element that a mouse shows. */
export function drawMark(mark: string, x: number, y: number, fill: string, title: string): string {
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
