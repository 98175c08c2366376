/** A table of text: the first column left, the others right, two spaces between. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows]
  const widths = head.map((_, column) => Math.max(...all.map((row) => width(row[column] ?? ''))))
  const line = (row: readonly string[]) =>
    widths
      .map((size, column) => {
        const cell = row[column] ?? ''
        const pad = ' '.repeat(size - width(cell))
        return column === 0 ? cell + pad : pad + cell
      })
      .join('  ')
      .trimEnd()
  return `${[line(head), widths.map((size) => '-'.repeat(size)).join('  '), ...rows.map(line)].join('\n')}\n`
}

/** A number with so many decimals, or a dash where there is none. */
export const orDash = (value: number | undefined, digits: number): string =>
  value === undefined || Number.isNaN(value) ? '-' : value.toFixed(digits)

/** Characters as a terminal counts them, near enough for our own words. */
const width = (text: string) => Array.from(text).length
