import { flatRows, toCsv, toJsonDocument, toParquet, type Results } from '@qpkv/bench-kit'
import type { Command } from 'commander'
import { jsonText, put } from './put.ts'

export interface ExportFlags {
  readonly json?: string
  readonly csv?: string
  readonly parquet?: string
}

/** Adds --json, --csv and --parquet. */
export const addExportOptions = (command: Command): Command =>
  command
    .option('--json <FILE>', 'write all results as one JSON document, too')
    .option('--csv <FILE>', 'write one row per answer, too')
    .option('--parquet <FILE>', 'the same as Parquet (needs hyparquet-writer)')

/** Writes results for machines: one JSON document, or a list of them for several files; CSV or Parquet with a row per answer. */
export async function exportResults(
  results: Results | readonly Results[],
  { json, csv, parquet }: ExportFlags,
): Promise<void> {
  const list = 'path' in results ? [results] : results
  const document = 'path' in results ? toJsonDocument(results) : list.map(toJsonDocument)
  if (json !== undefined) await put(json, jsonText(document))
  const rows = () => list.flatMap((one) => flatRows(one))
  if (csv !== undefined) await put(csv, toCsv(rows()))
  if (parquet !== undefined) await put(parquet, await toParquet(rows()))
}
