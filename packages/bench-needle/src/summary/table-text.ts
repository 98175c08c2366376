import type { Cell, Table } from '@qpkv/bench-kit'

const textOf = (cell: Cell | undefined) => (typeof cell === 'object' ? cell.text : (cell ?? ''))

/** A table for the terminal: columns padded, an asterisk before the best rows, an empty line between groups. */
export function tableText({ caption, columns, rows }: Table): string {
  const widths = columns.map(({ title }, i) =>
    Math.max(title.length, ...rows.map(({ cells }) => textOf(cells[i]).length)),
  )
  const line = (cells: readonly string[], mark: string) =>
    `${mark} ${cells
      .map((cell, i) =>
        columns[i]?.align === 'right' ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0),
      )
      .join('  ')}`.trimEnd()
  const body = rows.flatMap(({ cells, best, begins }) => [
    ...(begins ? [''] : []),
    line(
      columns.map((_, i) => textOf(cells[i])),
      best ? '*' : ' ',
    ),
  ])
  return [
    ...(caption ? [caption] : []),
    line(
      columns.map(({ title }) => title),
      ' ',
    ),
    ...body,
    ...(rows.some(({ best }) => best) ? ['* the best row within its budget'] : []),
  ].join('\n')
}
