import type { Cell, Table } from './html-report.ts'

type Rows = readonly (readonly string[])[]

/** A table of text, two spaces between columns: the first one left, the others right, a rule below the head. */
export function textTable(head: readonly string[], rows: Rows): string {
  const widths = columnWidths([head, ...rows])
  const line = (row: readonly string[]) => padded(row, widths, (column) => column > 0)
  return `${[line(head), widths.map((size) => '-'.repeat(size)).join('  '), ...rows.map(line)].join('\n')}\n`
}

/** The same without a rule, every column left: for columns of words. */
export function leftTable(head: readonly string[], rows: Rows): string {
  const all = [head, ...rows]
  const widths = columnWidths(all)
  return all.map((row) => `${padded(row, widths, () => false)}\n`).join('')
}

/** A report's table: an asterisk before the best rows, an empty line between groups. */
export function tableText({ caption, columns, rows }: Table): string {
  const head = columns.map(({ title }) => title)
  const cells = rows.map((row) => columns.map((_, i) => cellText(row.cells[i])))
  const widths = columnWidths([head, ...cells])
  const line = (row: readonly string[], mark: string) =>
    `${mark} ${padded(row, widths, (column) => columns[column]?.align === 'right')}`.trimEnd()
  return [
    ...(caption ? [caption] : []),
    line(head, ' '),
    ...rows.flatMap(({ best, begins }, i) => [
      ...(begins ? [''] : []),
      line(cells[i] ?? [], best ? '*' : ' '),
    ]),
    ...(rows.some(({ best }) => best) ? ['* the best row within its budget'] : []),
  ].join('\n')
}

/** What a cell says. */
export const cellText = (cell: Cell | undefined): string =>
  typeof cell === 'object' ? cell.text : (cell ?? '')

const columnWidths = (rows: Rows): number[] =>
  (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => width(row[column] ?? ''))))

const padded = (row: readonly string[], widths: readonly number[], toTheRight: (column: number) => boolean) =>
  widths
    .map((size, column) => {
      const cell = row[column] ?? ''
      const pad = ' '.repeat(size - width(cell))
      return toTheRight(column) ? pad + cell : cell + pad
    })
    .join('  ')
    .trimEnd()

/** A number with so many decimals, or a dash where there is none. */
export const orDash = (value: number | undefined, digits: number): string =>
  value === undefined || Number.isNaN(value) ? '-' : value.toFixed(digits)

/** Characters as a terminal counts them, near enough for our own words. */
const width = (text: string) => Array.from(text).length
