import { readLines, type TextLine } from '@qpkv/bench-kit'
import { KvError } from '@qpkv/spec'
import { badData, type Place } from '../bad-data.ts'
import { type DatasetRequest, findDataset } from './datasets.ts'
import type { JsonlSource } from './jsonl-source.ts'
import { type LongBenchRow, parseRow } from './row.ts'

/** What happens at bad data: `stop` throws at the first; a function is told of each, and the rest goes on. */
export type OnBadData = 'stop' | ((error: KvError) => void)

/** Tells `onBad` about an error, or throws it on. Errors that are not about data are always thrown. */
function meetBadData(error: unknown, onBad: OnBadData): void {
  if (onBad === 'stop' || !KvError.isInstance(error) || error.code !== 'KV_DATA') throw error
  onBad(error)
}

/**
 * The rows of a file by `parse`, one in memory at a time; empty lines are passed over.
 * A file without any row is bad data. After a broken zip the file ends.
 */
export async function* parseLines<T>(
  lines: AsyncIterable<TextLine>,
  file: string,
  parse: (text: string, place: Place) => T,
  onBad: OnBadData = 'stop',
): AsyncGenerator<T> {
  let seen = 0
  try {
    for await (const { text, line } of lines) {
      if (text?.trim() === '') continue
      seen++
      let row: T
      try {
        row = parse(utf8(text, { file, line }), { file, line })
      } catch (error) {
        meetBadData(error, onBad)
        continue
      }
      yield row
    }
    if (seen === 0)
      throw badData(
        { file },
        'there is no row in it',
        'The file is empty or of another kind; download it again.',
      )
  } catch (error) {
    meetBadData(error, onBad)
  }
}

function utf8(text: string | null, place: Place): string {
  if (text !== null) return text
  const advice = 'Save the file as UTF-8, or download it again.'
  throw badData(place, 'expected UTF-8 but the bytes are in another encoding', advice)
}

/**
 * The rows of one dataset, in the order of the file.
 * @param name official name, `hotpotqa` or `hotpotqa_e`.
 * @throws KvError KV_INVALID_OPTION for an unknown dataset; KV_DATA with file and line for bad data if `onBad` is `stop`.
 */
export async function* readRows(
  source: JsonlSource,
  name: string,
  onBad: OnBadData = 'stop',
): AsyncGenerator<LongBenchRow> {
  const { facts }: DatasetRequest = findDataset(name)
  const file = source.fileOf(name)
  let stream
  try {
    stream = await source.open(name)
  } catch (error) {
    meetBadData(error, onBad)
    return
  }
  try {
    yield* parseLines(
      readLines(stream as AsyncIterable<Buffer>, file),
      file,
      (text, place) => parseRow(text, place, facts),
      onBad,
    )
  } finally {
    stream.destroy()
  }
}
