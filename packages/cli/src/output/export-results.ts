import { mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { flatRows, toCsv, toJsonDocument, toParquet, type Results } from '@qpkv/bench-kit'

export interface ExportFlags {
  readonly json?: string
  readonly csv?: string
  readonly parquet?: string
}

/** Writes results for machines: one JSON document, or a list of them for several files; CSV or Parquet with a row per answer. */
export async function exportResults(
  results: Results | readonly Results[],
  { json, csv, parquet }: ExportFlags,
): Promise<void> {
  const list = 'path' in results ? [results] : results
  const document = 'path' in results ? toJsonDocument(results) : list.map(toJsonDocument)
  if (json !== undefined) await put(json, `${JSON.stringify(document, undefined, 2)}\n`)
  const rows = () => list.flatMap((one) => flatRows(one))
  if (csv !== undefined) await put(csv, toCsv(rows()))
  if (parquet !== undefined) await put(parquet, await toParquet(rows()))
}

async function put(file: string, text: string | Uint8Array): Promise<void> {
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, text)
}
