import { describeValue, isPlainObject, KvError } from '@qpkv/spec'
import { dataError } from './data-error.ts'
import type { TextLine } from './read-lines.ts'

/** Told of a row that cannot be used; it is left out and the rest goes on. Without one the first such row is thrown. */
export type OnBadRow = (error: KvError) => void

/** Tells `onBad` about an error, or throws it on. Errors that are not about data are always thrown. */
export function reportBadRow(error: unknown, onBad: OnBadRow | undefined): void {
  if (onBad === undefined || !KvError.isInstance(error) || error.code !== 'KV_DATA') throw error
  onBad(error)
}

/**
 * The rows of a file by `parse`, one in memory at a time; empty lines are passed over, and `index` counts the others. A file without any row is bad data, and one that
 * breaks off ends there.
 * @throws KvError KV_DATA with file and line, without `onBad`
 */
export async function* readRows<T>(
  lines: AsyncIterable<TextLine>,
  file: string,
  parse: (text: string, place: string, index: number) => T | Promise<T>,
  onBad?: OnBadRow,
): AsyncGenerator<T, void, undefined> {
  let seen = 0
  try {
    for await (const { text, line } of lines) {
      if (text?.trim() === '') continue
      const index = seen++
      let row: T
      try {
        row = await parse(utf8(text, `${file}:${line}`), `${file}:${line}`, index)
      } catch (error) {
        reportBadRow(error, onBad)
        continue
      }
      yield row
    }
    if (seen === 0)
      throw dataError(
        file,
        'there is no row in it',
        'The file is empty or of another kind; fetch or make it again.',
      )
  } catch (error) {
    reportBadRow(error, onBad)
  }
}

function utf8(text: string | null, place: string): string {
  if (text !== null) return text
  throw dataError(
    place,
    'expected UTF-8 but the bytes are in another encoding',
    'Save the file as UTF-8, or fetch it again.',
  )
}

/** A row's fields, not yet checked. */
export type RowFields = Readonly<Record<string, unknown>>

/** One JSON object from a line. */
export function parseObject(text: string, place: string): RowFields {
  const hint = 'The file may be cut off or of another kind; fetch or write it again.'
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw dataError(
      place,
      `expected one JSON object but the line is not JSON (${(cause as Error).message})`,
      hint,
      cause,
    )
  }
  if (isPlainObject(value)) return value
  throw dataError(place, `expected one JSON object but received ${describeValue(value)}`, hint)
}
