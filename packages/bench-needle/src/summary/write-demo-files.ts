import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  curvesOf,
  heatMapsOf,
  heatMapsSvg,
  htmlReport,
  readResults,
  specIdOf,
  toJsonDocument,
  tradeoffPlotSvg,
  type ReportSection,
} from '@qpkv/bench-kit'
import type { NeedleResult } from './needle-result.ts'
import { needleTable } from './needle-table.ts'
import { summarizeRows, type RowSummary } from './summarize.ts'
import { verdict } from './verdict.ts'

/** A file that was written, and what it is. */
export interface WrittenFile {
  readonly path: string
  readonly what: string
}

/** What one protocol came to. */
export interface NeedleOutcome {
  readonly protocol: NeedleResult['task']['protocol']
  /** `question known beforehand (snapkv)` */
  readonly title: string
  /** At the longest length. */
  readonly length: number
  readonly summaries: readonly RowSummary[]
  readonly verdict: string
}

/** Table rows and sentence of a protocol, at its longest length. */
export function needleOutcome({ task, rows, records }: NeedleResult): NeedleOutcome {
  const length = Math.max(...task.lengths)
  const summaries = summarizeRows(records, rows, length)
  const pruner = rows.find(({ spec }) => spec.prune.method !== 'none')?.spec.prune.method ?? 'no pruner'
  const known = task.protocol === 'query-aware'
  const title = known
    ? `question known beforehand (${pruner})`
    : `text compressed once, asked ${task.questions} ${task.questions === 1 ? 'time' : 'times'} (${pruner})`
  return { protocol: task.protocol, title, length, summaries, verdict: verdict(summaries) }
}

export interface DemoFilesOptions {
  readonly folder: string
  readonly results: readonly NeedleResult[]
  /** The JSON lines of each part, for the JSON document and the page's facts. */
  readonly resultFiles: readonly string[]
}

/** Writes heat maps, plots, the page and the result document; says where. */
export async function writeDemoFiles({
  folder,
  results,
  resultFiles,
}: DemoFilesOptions): Promise<WrittenFile[]> {
  await mkdir(folder, { recursive: true })
  const written: WrittenFile[] = []
  const put = async (name: string, what: string, content: string) => {
    const path = join(folder, name)
    await writeFile(path, content)
    written.push({ path, what })
  }
  const outcomes = results.map((result) => ({ result, outcome: needleOutcome(result) }))
  const maps = outcomes.flatMap(({ result }) =>
    mapsOf(result).map((map) => ({ ...map, subtitle: result.task.protocol })),
  )
  const drawn = { title: 'Needle: share of right answers by length and depth', columns: 4 }
  await put('heatmaps.svg', 'needle heat map of every row', heatMapsSvg(maps, drawn))
  const sections: ReportSection[] = []
  for (const { result, outcome } of outcomes) {
    const plot = plotOf(outcome)
    await put(`tradeoff-${outcome.protocol}.svg`, `accuracy against bytes, ${outcome.title}`, plot)
    sections.push(sectionOf(result, outcome, plot))
  }
  const stored = await Promise.all(resultFiles.map((file) => readResults(file)))
  const documents = `${JSON.stringify(stored.map(toJsonDocument))}\n`
  await put('results.json', 'everything measured, as JSON documents', documents)
  const [first] = stored
  if (first)
    await put('report.html', 'tables, plots and heat maps on one page', page(sections, first.header, results))
  return written
}

/** A heat map per row: depth of the asked number x length of the text. */
const mapsOf = ({ rows, records }: NeedleResult) =>
  heatMapsOf(
    records,
    rows.map(({ label, spec }) => ({ id: specIdOf(spec), label })),
    'exact',
  )

const plotOf = ({ title, length, summaries }: NeedleOutcome) =>
  tradeoffPlotSvg({
    title: 'Accuracy against real bytes',
    subtitle: `${title}; ${length.toLocaleString('en-US')} tokens, ${summaries[0]?.answers ?? 0} answers a point, 95 % intervals`,
    curves: curvesOf(summaries),
  })

function sectionOf(result: NeedleResult, outcome: NeedleOutcome, plot: string): ReportSection {
  const title = outcome.title.charAt(0).toUpperCase() + outcome.title.slice(1)
  const caption = `${outcome.length.toLocaleString('en-US')} tokens, ${result.task.keys} numbers hidden, ${outcome.summaries[0]?.samples ?? 0} texts. The best row of each budget is marked.`
  const heat = heatMapsSvg(mapsOf(result), { title: 'By length and depth', columns: 4 })
  return {
    title,
    verdict: outcome.verdict,
    tables: [needleTable(outcome.summaries, caption)],
    figures: [
      { svg: plot },
      { svg: heat, caption: 'Share of right answers in per cent. Depth: where the asked number lies.' },
    ],
  }
}

function page(
  sections: readonly ReportSection[],
  header: Awaited<ReturnType<typeof readResults>>['header'],
  results: readonly NeedleResult[],
): string {
  const { identity, machine, versions, startedAt } = header
  const seeds = [...new Set(results.map(({ task }) => String(task.seed)))].join(', ')
  return htmlReport({
    title: 'More tokens or more bits?',
    subtitle:
      'One memory budget for the KV cache, many ways to spend it: few tokens at full precision, or many at low precision.',
    facts: [
      ['Model', identity.model.name],
      ['Machine', `${machine.cpu}, ${machine.cores} cores`],
      [
        'Versions',
        Object.entries(versions)
          .map(([name, version]) => `${name} ${version}`)
          .join(', '),
      ],
      ['Seed', seeds],
      ['Started', startedAt.slice(0, 16).replace('T', ' ')],
    ],
    sections: [
      ...sections,
      {
        title: 'What this says and what it does not',
        paragraphs: [
          'Planned bytes are what the final plan says: codes, scales and minima, the 16-bit window, padding and tables. Allocated bytes are what the native allocator handed out. Bits count code widths only, as the papers do; true bits count everything stored.',
          'Texts and questions come from a small synthetic world. Numbers measured on the bundled model show how compression behaves there; they reproduce no paper and are no benchmark score. Large models and real text differ.',
        ],
      },
    ],
    footer: `Run ${header.runId}. Made by qpkv; the result file repeats the run.`,
  })
}
