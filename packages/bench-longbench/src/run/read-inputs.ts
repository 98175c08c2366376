import { findDataset } from '../data/datasets.ts'
import type { JsonlSource } from '../data/jsonl-source.ts'
import type { OnBadRow } from '@qpkv/bench-kit'
import { readRows } from '../data/read-rows.ts'
import { standInRows } from '../standin/stand-ins.ts'
import type { LongBenchInput } from './longbench-input.ts'

export interface ReadOptions {
  /** Official names, with or without `_e`. */
  readonly datasets: readonly string[]
  /** First rows per dataset; all unless given. */
  readonly rows?: number
  readonly onBad?: OnBadRow
}

/** Rows of the asked datasets in the order of the files. @throws KvError KV_DATA with file and line, KV_INVALID_OPTION for an unknown dataset. */
export async function readInputs(
  source: JsonlSource,
  { datasets, rows = Infinity, onBad }: ReadOptions,
): Promise<LongBenchInput[]> {
  const inputs: LongBenchInput[] = []
  const requests = datasets.map((name) => ({ name, ...findDataset(name) }))
  for (const { name, facts, even } of requests) {
    let count = 0
    for await (const row of readRows(source, name, onBad)) {
      if (count >= rows) break
      count += 1
      inputs.push({ row, dataset: facts, even, place: `${source.fileOf(name)}, row ${count} (${row.id})` })
    }
  }
  return inputs
}

/** Stand-in rows of our own words. @throws KvError KV_INVALID_OPTION for an unknown dataset */
export const standInInputs = (
  datasets: readonly string[],
  options: { readonly seed: number; readonly rows: number; readonly size: number },
): LongBenchInput[] =>
  datasets.flatMap((name) => {
    const { facts, even } = findDataset(name)
    return standInRows(facts, { ...options }).map((row) => ({ row, dataset: facts, even, place: row.id }))
  })
