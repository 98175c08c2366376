import { againstFull } from './against-full.ts'
import { budgetTables } from './budget-tables.ts'
import type { Table } from './html-report.ts'
import { overviewSection } from './overview.ts'
import type { ReportPart } from './results-report.ts'
import { summaryTable } from './section-tables.ts'
import { specKind } from './spec-kind.ts'
import { cellText } from './text-table.ts'

export interface MarkdownOptions {
  /** Where a part's picture lies, as a link from the Markdown file; undefined leaves it out. */
  readonly pictureLink: (part: ReportPart, name: string) => string | undefined
}

/** The report's tables and pictures as Markdown, for a page in a repository. */
export function markdownReport(parts: readonly ReportPart[], { pictureLink }: MarkdownOptions): string {
  const overview = overviewSection(parts).flatMap(({ title, paragraphs = [], tables = [] }) => [
    `## ${title}`,
    ...paragraphs,
    ...tables.map((table) => markdownTable(table)),
  ])
  return `${[...overview, ...parts.flatMap((part) => partText(part, pictureLink))].join('\n\n')}\n`
}

function partText(part: ReportPart, link: MarkdownOptions['pictureLink']): string[] {
  const { title, metric, summaries, figures, results } = part
  const notice = results.header.identity.task['notice']
  const pictures = figures.flatMap(({ name, caption }) => {
    const path = link(part, name)
    return path === undefined ? [] : [`![${title}: ${name}](${path})`, ...(caption ? [caption] : [])]
  })
  const unpruned = summaries.filter(({ spec }) => ['full', 'quantize'].includes(specKind(spec.spec)))
  const samples = new Set(results.records.map(({ sample }) => sample)).size
  return [
    `## ${title}`,
    `${samples} samples, ${summaries[0]?.answers ?? 0} answers a row, score \`${metric}\`.${typeof notice === 'string' ? ` These samples are ${notice}.` : ''}`,
    ...pictures,
    ...(unpruned.length === 0
      ? []
      : [
          markdownTable(
            withoutSpeed(summaryTable(unpruned, metric, againstFull(results, summaries, metric))),
          ),
        ]),
    ...budgetTables(summaries, metric).map((table) => markdownTable(table)),
  ]
}

/** Speeds belong to one machine and hour; a page in a repository outlives them. */
function withoutSpeed(table: Table): Table {
  const kept = table.columns.flatMap(({ title }, i) => (/tok\/s|RSS/.test(title) ? [] : [i]))
  const pick = <T>(items: readonly T[]) => kept.flatMap((i) => items.slice(i, i + 1))
  return {
    ...table,
    columns: pick(table.columns),
    rows: table.rows.map((row) => ({ ...row, cells: pick(row.cells) })),
  }
}

/** A pipe table with its caption above. */
export function markdownTable({ caption, columns, rows }: Table): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [
    ...(caption === undefined ? [] : [`**${caption}**`, '']),
    line(columns.map(({ title }) => title)),
    line(columns.map(({ align }) => (align === 'right' ? '---:' : '---'))),
    ...rows.map(({ cells }) => line(columns.map((_, i) => cellText(cells[i]).replaceAll('|', '\\|')))),
  ].join('\n')
}
