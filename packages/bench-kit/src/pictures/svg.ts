/** Text made safe for XML. */
export const escapeXml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')

export type Attributes = Readonly<Record<string, string | number | undefined>>

/** One element; children are markup already. */
export function element(name: string, attributes: Attributes, ...children: readonly string[]): string {
  const text = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${typeof value === 'number' ? short(value) : escapeXml(value ?? '')}"`)
    .join('')
  return children.length === 0 ? `<${name}${text}/>` : `<${name}${text}>${children.join('')}</${name}>`
}

/** Coordinates need no more than two decimals. */
const short = (value: number) => String(Math.round(value * 100) / 100)

export interface TextStyle {
  readonly size?: number
  readonly anchor?: 'start' | 'middle' | 'end'
  readonly weight?: 'bold'
  readonly tone?: Tone
  /** Overrides the tone. */
  readonly fill?: string
  readonly rotate?: number
}

/** `ink`: titles and values. `muted`: labels. */
type Tone = 'ink' | 'muted'

/*
 * Light colors are attributes, which every viewer and rasterizer understands; dark ones are a style sheet on top,
 * which browsers apply. Class names begin with `qp-`, because in the report many pictures share one document.
 */
export const light = { paper: '#ffffff', ink: '#1b1f24', muted: '#59636e', rule: '#d8dee4' } as const
const dark = { paper: '#15191e', ink: '#e8ebee', muted: '#9aa4af', rule: '#343b43' } as const

const fonts = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif"

export function textAt(x: number, y: number, content: string, style: TextStyle = {}): string {
  const { size = 12, anchor, weight, tone = 'ink', fill, rotate } = style
  const attributes = {
    x,
    y,
    'font-size': size,
    'text-anchor': anchor,
    'font-weight': weight,
    transform: rotate === undefined ? undefined : `rotate(${rotate} ${x} ${y})`,
    fill: fill ?? light[tone],
    class: fill === undefined ? `qp-${tone}` : undefined,
  }
  return element('text', attributes, escapeXml(content))
}

export const lineAt = (x1: number, y1: number, x2: number, y2: number, more: Attributes = {}): string =>
  element('line', {
    x1,
    y1,
    x2,
    y2,
    stroke: light.rule,
    class: more['stroke'] ? undefined : 'qp-rule',
    ...more,
  })

/** A whole picture: `width` x `height` user units, scaled down where the page is narrower. */
export function picture(width: number, height: number, title: string, ...content: readonly string[]): string {
  const css = `@media (prefers-color-scheme: dark){.qp-paper{fill:${dark.paper}}.qp-ink{fill:${dark.ink}}.qp-muted{fill:${dark.muted}}.qp-rule{stroke:${dark.rule}}}`
  const root = {
    xmlns: 'http://www.w3.org/2000/svg',
    viewBox: `0 0 ${Math.round(width)} ${Math.round(height)}`,
    width: Math.round(width),
    height: Math.round(height),
    'font-family': fonts,
    role: 'img',
    style: 'max-width:100%;height:auto',
  }
  const paper = element('rect', { width, height, fill: light.paper, class: 'qp-paper' })
  const body = [`<title>${escapeXml(title)}</title>`, `<style>${css}</style>`, paper, ...content]
  return `${element('svg', root, ...body)}\n`
}

/** Rough width of a text in the pictures' font; enough to place labels. Bold letters are wider. */
export const textWidth = (text: string, size: number, weight?: 'bold'): number =>
  text.length * size * (weight === 'bold' ? 0.65 : 0.56)
