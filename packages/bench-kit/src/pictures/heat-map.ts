import { KvError } from '@qpkv/spec'
import { isDark, palettes, scoreColor, type Palette } from './score-color.ts'
import { element, lineAt, picture, textAt, textWidth, light } from './svg.ts'

/** Scores over lengths and depths. */
export interface HeatMap {
  readonly title: string
  /** A smaller line below the title: the spec, tokens kept, … */
  readonly subtitle?: string
  /** Tokens, ascending; one column each. */
  readonly lengths: readonly number[]
  /** Per cent from the beginning, ascending; one row each. */
  readonly depths: readonly number[]
  /** `[depths][lengths]`, 0 to 1; null or NaN where nothing was measured. */
  readonly scores: readonly (readonly (number | null)[])[]
  /** Length the model was trained on: a dashed vertical line. */
  readonly trainedLength?: number
  /** Default `even`. */
  readonly palette?: Palette
}

export interface HeatMapsOptions {
  readonly title: string
  /** Panels beside each other. Default: as many as make a page of about 1000 units. */
  readonly columns?: number
  /** Of all maps and the bar; default `even`. */
  readonly palette?: Palette
}

/** Scores as cells: mean of all values that fall into one; null where none does. */
export function heatMapCells(
  values: readonly { readonly length: number; readonly depth: number; readonly score: number }[],
  lengths: readonly number[],
  depths: readonly number[],
): (number | null)[][] {
  return depths.map((depth) =>
    lengths.map((length) => {
      const here = values.filter((value) => value.length === length && value.depth === depth)
      return here.length === 0 ? null : here.reduce((sum, { score }) => sum + score, 0) / here.length
    }),
  )
}

interface Layout {
  readonly cellWidth: number
  readonly cellHeight: number
  readonly width: number
  readonly height: number
}

const HEAD = 44
const AXIS_LEFT = 52
const AXIS_BOTTOM = 44
const GAP = 22
const BAR = 74

function layoutOf({ lengths, depths }: HeatMap, alone: boolean): Layout {
  const wanted = alone ? 1000 : 230
  const cellWidth = Math.max(alone ? 9 : 6, Math.min(alone ? 90 : 72, wanted / lengths.length))
  const cellHeight = alone ? 26 : 20
  return {
    cellWidth,
    cellHeight,
    width: AXIS_LEFT + cellWidth * lengths.length,
    height: HEAD + cellHeight * depths.length + AXIS_BOTTOM,
  }
}

/** One heat map in the needle benchmark's usual form: rows depth, columns length, colors from 0 to 1, color bar "Score". */
export function heatMapSvg(map: HeatMap): string {
  check(map)
  const layout = layoutOf(map, true)
  const bar = colorBar(layout.width + 26, HEAD, layout.cellHeight * map.depths.length, map.palette)
  return picture(
    Math.max(layout.width + BAR, AXIS_LEFT + textWidth(map.title, 15) + 20) + 16,
    layout.height + 8,
    map.title,
    panel(map, layout, true),
    bar,
  )
}

/** Several heat maps in one picture with one color bar: a row of the demo each. */
export function heatMapsSvg(maps: readonly HeatMap[], { title, columns, palette }: HeatMapsOptions): string {
  if (maps.length === 0) throw new KvError('KV_DATA', 'Expected at least one heat map to draw.')
  for (const map of maps) check(map)
  const layouts = maps.map((map) => layoutOf(map, false))
  const text = Math.max(
    ...maps.map((map) => Math.max(textWidth(map.title, 13), textWidth(map.subtitle ?? '', 11))),
  )
  const width = Math.max(...layouts.map((layout) => layout.width), AXIS_LEFT + text) + GAP
  const height = Math.max(...layouts.map((layout) => layout.height)) + 6
  const across = Math.min(maps.length, columns ?? Math.max(1, Math.floor(1000 / width)))
  const down = Math.ceil(maps.length / across)
  const top = 44
  const panels = maps.map((map, i) => {
    const x = 8 + (i % across) * width
    const y = top + Math.floor(i / across) * height
    const content = panel({ ...map, ...(palette && { palette }) }, layouts[i] ?? layoutOf(map, false), false)
    return element('g', { transform: `translate(${x} ${y})` }, content)
  })
  const barHeight = Math.min(220, down * height - HEAD - AXIS_BOTTOM)
  return picture(
    8 + across * width + BAR,
    top + down * height,
    title,
    textAt(16, 26, title, { size: 16, weight: 'bold' }),
    ...panels,
    colorBar(8 + across * width, top + HEAD, barHeight, palette),
  )
}

function check({ title, lengths, depths, scores }: HeatMap): void {
  const shaped = scores.length === depths.length && scores.every((row) => row.length === lengths.length)
  if (shaped && lengths.length > 0 && depths.length > 0) return
  throw new KvError(
    'KV_DATA',
    `Expected ${depths.length} x ${lengths.length} scores (depths x lengths, at least one) for "${title}".`,
  )
}

function panel(map: HeatMap, layout: Layout, alone: boolean): string {
  const { cellWidth, cellHeight } = layout
  const { lengths, depths, scores } = map
  const right = AXIS_LEFT + cellWidth * lengths.length
  const bottom = HEAD + cellHeight * depths.length
  const size = alone ? 12 : 10.5
  const cells = scores.flatMap((row, y) =>
    row.map((score, x) => cell(AXIS_LEFT + x * cellWidth, HEAD + y * cellHeight, layout, score, map.palette)),
  )
  const every = Math.ceil((textWidth('16000', size) + 8) / cellWidth)
  const columns = lengths.map((length, i) =>
    i % every === 0
      ? textAt(AXIS_LEFT + (i + 0.5) * cellWidth, bottom + 16, String(length), {
          size,
          anchor: 'middle',
          tone: 'muted',
        })
      : '',
  )
  const rows = depths.map((depth, i) =>
    textAt(AXIS_LEFT - 7, HEAD + (i + 0.5) * cellHeight + 4, `${Math.round(depth)}%`, {
      size,
      anchor: 'end',
      tone: 'muted',
    }),
  )
  return [
    textAt(alone ? AXIS_LEFT : 8, alone ? 22 : 16, map.title, { size: alone ? 15 : 13, weight: 'bold' }),
    map.subtitle
      ? textAt(alone ? AXIS_LEFT : 8, alone ? 37 : 32, map.subtitle, { size: 11, tone: 'muted' })
      : '',
    ...cells,
    ...grid(lengths.length, depths.length, layout),
    trainedLine(map, layout),
    ...columns,
    ...rows,
    textAt((AXIS_LEFT + right) / 2, bottom + 34, 'tokens', { size, anchor: 'middle', tone: 'muted' }),
    textAt(13, (HEAD + bottom) / 2, 'depth', { size, anchor: 'middle', tone: 'muted', rotate: -90 }),
  ].join('')
}

function cell(
  x: number,
  y: number,
  { cellWidth, cellHeight }: Layout,
  score: number | null,
  palette?: Palette,
): string {
  const box = { x, y, width: cellWidth, height: cellHeight }
  if (score === null || Number.isNaN(score)) {
    return element('rect', { ...box, fill: light.rule, 'fill-opacity': 0.45 }, '<title>not measured</title>')
  }
  const fill = scoreColor(score, palette)
  const rect = element('rect', { ...box, fill }, `<title>${score.toFixed(3)}</title>`)
  if (cellWidth < 30) return rect
  const label = String(Math.round(score * 100))
  return (
    rect +
    textAt(x + cellWidth / 2, y + cellHeight / 2 + 3.8, label, {
      size: 10.5,
      anchor: 'middle',
      fill: isDark(fill) ? '#ffffff' : '#14181c',
    })
  )
}

function grid(across: number, down: number, { cellWidth, cellHeight }: Layout): string[] {
  const style = { stroke: 'grey', 'stroke-width': 0.5, 'stroke-dasharray': '3 2' }
  const right = AXIS_LEFT + across * cellWidth
  const bottom = HEAD + down * cellHeight
  const vertical = Array.from({ length: across + 1 }, (_, i) => AXIS_LEFT + i * cellWidth)
  const horizontal = Array.from({ length: down + 1 }, (_, i) => HEAD + i * cellHeight)
  return [
    ...vertical.map((x) => lineAt(x, HEAD, x, bottom, style)),
    ...horizontal.map((y) => lineAt(AXIS_LEFT, y, right, y, style)),
  ]
}

/** Dashed white line at the trained length, between the columns around it; nothing when it lies outside. */
function trainedLine({ lengths, depths, trainedLength }: HeatMap, { cellWidth, cellHeight }: Layout): string {
  if (trainedLength === undefined) return ''
  const after = lengths.findIndex((length) => length >= trainedLength)
  if (after < 0) return ''
  const upper = lengths[after] ?? trainedLength
  const lower = lengths[after - 1] ?? upper
  const share = upper === lower ? 0 : (upper - trainedLength) / (upper - lower)
  const x = AXIS_LEFT + (after + 0.5 - share) * cellWidth
  const style = { stroke: '#ffffff', 'stroke-width': 3, 'stroke-dasharray': '8 5' }
  return lineAt(x, HEAD, x, HEAD + depths.length * cellHeight, style)
}

function colorBar(x: number, y: number, height: number, palette: Palette = 'even'): string {
  const id = `qp-score-${palette}` // the same in every picture, so that one page may hold several
  const colors = palettes[palette]
  const stops = [...colors]
    .reverse()
    .map((color, i) => element('stop', { offset: i / (colors.length - 1), 'stop-color': color }))
  const ticks = [0, 0.2, 0.4, 0.6, 0.8, 1].map((score) =>
    textAt(x + 20, y + height * (1 - score) + 4, score.toFixed(1), { size: 11, tone: 'muted' }),
  )
  return [
    element('defs', {}, element('linearGradient', { id, x1: 0, y1: 0, x2: 0, y2: 1 }, ...stops)),
    element('rect', { x, y, width: 14, height, fill: `url(#${id})` }),
    ...ticks,
    textAt(x + 56, y + height / 2, 'Score', { size: 12, anchor: 'middle', tone: 'muted', rotate: -90 }),
  ].join('')
}
