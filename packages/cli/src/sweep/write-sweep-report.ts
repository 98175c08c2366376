import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { htmlReport, reportParts, resultsReport, svgToPng, type Results } from '@qpkv/bench-kit'

export interface ReportFiles {
  readonly page: string
  readonly pictures: readonly string[]
}

export interface WriteReportOptions {
  readonly folder: string
  readonly title?: string
  readonly metric?: string
  readonly notes?: readonly string[]
  readonly png?: boolean
}

/** Writes `report.html` and every picture of it as a file of its own under `pictures/`. */
export async function writeReport(
  files: readonly Results[],
  { folder, title, metric, notes = [], png = false }: WriteReportOptions,
): Promise<ReportFiles> {
  const options = {
    notes: [...notes, ...standing],
    ...(title === undefined ? {} : { title }),
    ...(metric === undefined ? {} : { metric }),
  }
  const page = join(folder, 'report.html')
  await mkdir(join(folder, 'pictures'), { recursive: true })
  await writeFile(page, htmlReport(resultsReport(files, options)))
  const pictures: string[] = []
  for (const part of reportParts(files, metric)) {
    for (const { name, svg } of part.figures) {
      const path = join(folder, 'pictures', `${slug(`${part.title} ${name}`)}.svg`)
      await writeFile(path, svg)
      if (png) await writeFile(path.replace(/svg$/, 'png'), await svgToPng(svg))
      pictures.push(path)
    }
  }
  return { page, pictures }
}

const slug = (text: string) =>
  text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '')

/** True of every report. */
const standing = [
  'Planned bytes are what the final plan says: codes, scales and minima, the 16-bit window, padding and tables. Allocated bytes are what the native allocator handed out. Bits count code widths only, as the papers do; true bits count everything stored.',
  'Intervals are 95 %: Wilson where answers are right or wrong, bootstrapped over samples else. Rows share their samples, so two rows may differ reliably although their intervals overlap: qpkv compare pairs them.',
]
