import { readdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { latexReport, readResults, reportParts, type Results } from '@qpkv/bench-kit'
import { KvError } from '@qpkv/spec'
import type { Command } from 'commander'
import { collectProblems, printProblems } from '../bench/problems.ts'
import type { Io } from '../io.ts'
import { words } from '../options/numbers.ts'
import { addExportOptions, exportResults, type ExportFlags } from '../output/export-results.ts'
import {
  addPictureOptions,
  summaryJson,
  writeMarkdown,
  writeReport,
  type PictureFlags,
} from '../sweep/write-sweep-report.ts'

interface ReportFlags extends ExportFlags, PictureFlags {
  readonly out?: string
  readonly title?: string
  readonly metric?: string
  readonly latex?: string
  readonly markdown?: string
  readonly pictures?: string
  readonly figures: string[]
  readonly summary?: string
  readonly strict?: boolean
}

/** `qpkv report DIR`: one page for all result files of a folder. */
export function addReport(program: Command, io: Io): void {
  const command = program
    .command('report')
    .description('one HTML page, pictures and exports for all result files of a folder')
    .argument('<DIR>', 'folder of .jsonl result files, or one file')
    .option('--out <DIR>', 'where report.html and pictures go (default: the folder itself)')
    .option('--title <TEXT>', 'heading of the page')
    .option('--metric <NAME>', 'which score (default: the first of each file)')
    .option('--latex <FILE>', 'tables with intervals for a paper (booktabs)')
    .option('--markdown <FILE>', 'tables and pictures as Markdown, between the marks of a page that is there')
    .option('--pictures <DIR>', 'where the pictures of --markdown go (default: pictures beside it)')
    .option('--figures <NAME,...>', 'which pictures --markdown shows', words, [
      'frontier-real',
      'frontier-nominal',
    ])
    .option('--summary <FILE>', 'a row per spec with score, interval and bytes, as JSON')
    .option('--strict', 'a file that cannot be read ends the report')
  addExportOptions(addPictureOptions(command)).action(async (folder: string, flags: ReportFlags) => {
    const results = await readFolder(folder, flags.strict === true, io)
    const { title, metric, png, pdf, markdown: file, figures } = flags
    const out = flags.out ?? (folder.endsWith('.jsonl') ? '.' : folder)
    const written = await writeReport(results, { folder: out, title, metric, png, pdf })
    if (file !== undefined) {
      const pictures = flags.pictures ?? join(dirname(file), 'pictures')
      await writeMarkdown(results, { file, pictures, figures, metric })
    }
    if (flags.latex !== undefined) await writeFile(flags.latex, latexReport(reportParts(results, metric)))
    if (flags.summary !== undefined) await writeFile(flags.summary, summaryJson(results, metric))
    await exportResults(results, flags)
    io.stdout.write(`${written.page} (${results.length} result files)\n`)
    for (const picture of written.pictures) io.stdout.write(`${picture}\n`)
  })
}

/** Result files below a folder; others are named on stderr and left out. */
async function readFolder(folder: string, strict: boolean, io: Io): Promise<Results[]> {
  const paths = folder.endsWith('.jsonl') ? [folder] : await listJsonl(folder)
  const results: Results[] = []
  const { problems, onBadRow } = collectProblems(strict || paths.length === 1)
  for (const path of paths.sort()) {
    try {
      results.push(await readResults(path))
    } catch (error) {
      if (!KvError.isInstance(error)) throw error
      onBadRow(error)
    }
  }
  printProblems(problems, io)
  return results
}

async function listJsonl(folder: string): Promise<string[]> {
  try {
    const names = await readdir(folder, { recursive: true })
    return names.filter((name) => name.endsWith('.jsonl')).map((name) => join(folder, name))
  } catch (cause) {
    throw new KvError('KV_RESULT_FILE', `Cannot read the folder ${folder}: ${(cause as Error).message}.`, {
      hint: 'Check the path.',
      cause,
    })
  }
}
