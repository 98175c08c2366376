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
