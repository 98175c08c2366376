import { escapeXml } from '../pictures/svg.ts'
import { reportStyle } from './report-style.ts'

/** A page: facts on top, then sections of text, tables and pictures. */
export interface Report {
  readonly title: string
  readonly subtitle?: string
  /** Short pairs such as `Model: reference`. */
  readonly facts?: readonly (readonly [name: string, value: string])[]
  readonly sections: readonly ReportSection[]
  readonly footer?: string
}

export interface ReportSection {
  readonly title: string
  /** The sentence that says what came out, set apart. */
  readonly verdict?: string
  readonly paragraphs?: readonly string[]
  readonly tables?: readonly Table[]
  /** Pictures as SVG markup made by this package. */
  readonly figures?: readonly Figure[]
  /** Pictures above the tables. */
  readonly figuresFirst?: boolean
}

export interface Figure {
  readonly svg: string
  readonly caption?: string
}

export interface Table {
  readonly caption?: string
  /** Closed until the reader opens it, under this line. */
  readonly folded?: string
  readonly columns: readonly Column[]
  readonly rows: readonly TableRow[]
}

export interface Column {
  readonly title: string
  readonly align?: 'left' | 'right'
}

export interface TableRow {
  readonly cells: readonly Cell[]
  /** The row that won. */
  readonly best?: boolean
  /** A thin line above: a new group begins. */
  readonly begins?: boolean
}

/** Text, or a share in [0, 1] drawn as a bar behind its text. */
export type Cell = string | { readonly text: string; readonly share: number }

/** One HTML file without any other resource: pictures inline, own style, light and dark. */
export function htmlReport({ title, subtitle, facts = [], sections, footer }: Report): string {
  const names = facts.map(
    ([name, value]) => `<div><dt>${escapeXml(name)}</dt><dd>${escapeXml(value)}</dd></div>`,
  )
  const links = sections.map(({ title }, i) => `<a href="#s${i + 1}">${escapeXml(title)}</a>`)
  const head = [
    '<!doctype html>',
    '<html lang="en"><head><meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    '<meta name="color-scheme" content="light dark">',
    `<title>${escapeXml(title)}</title><style>${reportStyle}</style></head><body><main>`,
  ]
  return [
    ...head,
    `<header><h1>${escapeXml(title)}</h1>${subtitle ? `<p class="lead">${escapeXml(subtitle)}</p>` : ''}`,
    names.length > 0 ? `<dl>${names.join('')}</dl>` : '',
    links.length > 2 ? `<nav>${links.join('')}</nav>` : '',
    '</header>',
    ...sections.map((section, i) => renderSection(section, i + 1)),
    footer ? `<footer>${escapeXml(footer)}</footer>` : '',
    '</main></body></html>\n',
  ].join('\n')
}

function renderSection(
  { title, verdict, paragraphs = [], tables = [], figures = [], figuresFirst = false }: ReportSection,
  number: number,
): string {
  const drawn = figures.map(
    ({ svg, caption }) =>
      `<figure>${svg.trim()}${caption ? `<figcaption>${escapeXml(caption)}</figcaption>` : ''}</figure>`,
  )
  const pictures = drawn.length > 1 && figuresFirst ? ['<div class="figures">', ...drawn, '</div>'] : drawn
  const lists = tables.map((table) => renderTable(table))
  return [
    `<section id="s${number}"><h2>${escapeXml(title)}</h2>`,
    verdict ? `<p class="verdict">${escapeXml(verdict)}</p>` : '',
    ...paragraphs.map((text) => `<p>${escapeXml(text)}</p>`),
    ...(figuresFirst ? [...pictures, ...lists] : [...lists, ...pictures]),
    '</section>',
  ].join('\n')
}

function renderTable({ caption, folded, columns, rows }: Table): string {
  const aligned = (i: number) => (columns[i]?.align === 'right' ? ' class="n"' : '')
  const heads = columns.map(({ title }, i) => `<th scope="col"${aligned(i)}>${escapeXml(title)}</th>`)
  const body = rows.map(({ cells, best, begins }) => {
    const names = [best ? 'best' : '', begins ? 'begins' : ''].filter(Boolean).join(' ')
    const data = cells.map(
      (cell, i) => `<td${isLong(cell) ? ' class="long"' : aligned(i)}>${renderCell(cell)}</td>`,
    )
    return `<tr${names ? ` class="${names}"` : ''}>${data.join('')}</tr>`
  })
  return [
    folded === undefined ? '' : `<details><summary>${escapeXml(folded)}</summary>`,
    `<div class="table"><table>${caption ? `<caption>${escapeXml(caption)}</caption>` : ''}`,
    `<thead><tr>${heads.join('')}</tr></thead><tbody>`,
    ...body,
    '</tbody></table></div>',
    folded === undefined ? '' : '</details>',
  ].join('\n')
}

/** Such cells may break into lines. */
const isLong = (cell: Cell) => typeof cell === 'string' && cell.length > 40

/** Specs are long words; they may break behind their punctuation, before a word is torn. */
const breakable = (text: string) => text.replaceAll(/(?<=[,+])(?=\w)|(?=@)/g, '<wbr>')

function renderCell(cell: Cell): string {
  if (typeof cell === 'string') return isLong(cell) ? breakable(escapeXml(cell)) : escapeXml(cell)
  const width = Math.round(Math.min(1, Math.max(0, cell.share)) * 100)
  return `<span class="bar" style="--w:${width}%">${escapeXml(cell.text)}</span>`
}
