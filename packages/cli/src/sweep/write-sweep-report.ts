import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { KvError, omitUndefined } from '@qpkv/spec'
import type { Command } from 'commander'
import {
  bytesOf,
  htmlReport,
  markdownReport,
  reportParts,
  resultsReport,
  svgToPdf,
  svgToPng,
  type Results,
} from '@qpkv/bench-kit'

export interface ReportFiles {
  readonly page: string
  readonly pictures: readonly string[]
}

/** In which other formats pictures are written. */
export interface PictureFlags {
  readonly png?: boolean | undefined
  readonly pdf?: boolean | undefined
}

/** Adds --png and --pdf. */
export const addPictureOptions = (command: Command): Command =>
  command
    .option('--png', 'pictures as PNG, too (needs @resvg/resvg-js)')
    .option('--pdf', 'pictures as PDF, too (needs pdfkit and svg-to-pdfkit)')

export interface WriteReportOptions extends PictureFlags {
  readonly folder: string
  readonly title?: string | undefined
  readonly metric?: string | undefined
  readonly notes?: readonly string[]
}

/** Writes `report.html` and every picture of it as a file of its own under `pictures/`. */
export async function writeReport(
  files: readonly Results[],
  { folder, title, metric, notes = [], png = false, pdf = false }: WriteReportOptions,
): Promise<ReportFiles> {
  const options = { notes: [...notes, ...generalNotes], ...omitUndefined({ title, metric }) }
  const page = join(folder, 'report.html')
  await mkdir(join(folder, 'pictures'), { recursive: true })
  await writeFile(page, htmlReport(resultsReport(files, options)))
  const pictures: string[] = []
  for (const part of reportParts(files, metric)) {
    for (const { name, svg } of part.figures) {
      const path = join(folder, 'pictures', `${slug(`${part.title} ${name}`)}.svg`)
      await writeFile(path, svg)
      if (png) await writeFile(path.replace(/svg$/, 'png'), await svgToPng(svg))
      if (pdf) await writeFile(path.replace(/svg$/, 'pdf'), await svgToPdf(svg))
      pictures.push(path)
    }
  }
  return { page, pictures }
}

/** The report's numbers, one row a line: score and interval, tokens, bits, real and nominal bytes. */
export function summaryJson(files: readonly Results[], metric?: string): string {
  const short = (value: number, digits = 4) => Number(value.toFixed(digits))
  const rows = reportParts(files, metric).flatMap((part) =>
    part.summaries.map((summary) =>
      JSON.stringify({
        part: part.title,
        metric: part.metric,
        row: summary.spec.label,
        score: short(summary.score),
        low: short(summary.interval.low),
        high: short(summary.interval.high),
        answers: summary.answers,
        tokensKept: short(summary.tokensKept, 1),
        bits: summary.bits === undefined ? null : short(summary.bits.nominal, 2),
        trueBits: summary.bits === undefined ? null : short(summary.bits.true, 2),
        bytes: Math.round(summary.bytesPlanned),
        nominalBytes: Math.round(bytesOf(summary, 'nominal')),
      }),
    ),
  )
  return `[\n${rows.join(',\n')}\n]\n`
}

export interface MarkdownFiles {
  readonly file: string
  /** Folder of the pictures that the page shows. */
  readonly pictures: string
  /** Names of the pictures: `frontier-real`, a pruner's, `heatmaps`. */
  readonly figures: readonly string[]
  readonly metric?: string | undefined
}

const BEGIN = '<!-- results: begin -->'
const END = '<!-- results: end -->'

/** Writes tables and pictures as Markdown: between the marks of a page that is there, else as a page of its own. */
export async function writeMarkdown(
  files: readonly Results[],
  { file, pictures, figures, metric }: MarkdownFiles,
): Promise<string[]> {
  const parts = reportParts(files, metric)
  const nameOf = (part: { title: string }, figure: string) => `${slug(`${part.title} ${figure}`)}.svg`
  await mkdir(pictures, { recursive: true })
  const written: string[] = []
  for (const part of parts) {
    for (const { name, svg } of part.figures.filter((figure) => figures.includes(figure.name))) {
      const path = join(pictures, nameOf(part, name))
      await writeFile(path, svg)
      written.push(path)
    }
  }
  const text = markdownReport(parts, {
    pictureLink: (part, name) =>
      figures.includes(name)
        ? relative(dirname(file), join(pictures, nameOf(part, name))).replaceAll('\\', '/')
        : undefined,
  })
  const old = await readFile(file, 'utf8').catch(() => `${BEGIN}\n${END}\n`)
  const [from, to] = [old.indexOf(BEGIN), old.indexOf(END)]
  if (from < 0 || to < from) {
    throw new KvError('KV_DATA', `${file} has no lines ${BEGIN} and ${END} to write between.`, {
      hint: 'Add them where the tables belong, or choose another file.',
    })
  }
  await writeFile(file, `${old.slice(0, from + BEGIN.length)}\n\n${text}\n${old.slice(to)}`)
  return [file, ...written]
}

const slug = (text: string) =>
  text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '')

/** True of every report. */
const generalNotes = [
  'Planned bytes are what the final plan says: codes, scales and minima, the 16-bit window, padding and tables. Allocated bytes are what the native allocator handed out. Bits count code widths only, as the papers do; true bits count everything stored.',
  'Intervals are 95 %: Wilson where answers are right or wrong, widened by the design effect where several questions share a text; else Student over samples. Where samples are of datasets or tasks, scores are means over these of the mean within each, as the official scores are. Rows share their samples, so two rows may differ reliably although their intervals overlap: qpkv compare pairs them. Intervals are of one row each; of many rows some will miss.',
]
