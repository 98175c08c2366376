import { reportBadRow, readLines, readRows as readRowsOf, type OnBadRow } from '@qpkv/bench-kit'
import { findDataset } from './datasets.ts'
import type { JsonlSource } from './jsonl-source.ts'
import { parseRow, type LongBenchRow } from './row.ts'

/**
 * The rows of one dataset, in the order of the file.
 * @param name official name, `hotpotqa` or `hotpotqa_e`.
 * @throws KvError KV_INVALID_OPTION for an unknown dataset; KV_DATA with file and line for bad data, without `onBad`.
 */
export async function* readRows(
  source: JsonlSource,
  name: string,
  onBad?: OnBadRow,
): AsyncGenerator<LongBenchRow> {
  const { facts } = findDataset(name)
  const file = source.fileOf(name)
  let stream
  try {
    stream = await source.open(name)
  } catch (error) {
    reportBadRow(error, onBad)
    return
  }
  try {
    const lines = readLines(stream as AsyncIterable<Buffer>, file)
    yield* readRowsOf(lines, file, (text, place) => parseRow(text, place, facts), onBad)
  } finally {
    stream.destroy()
  }
}
