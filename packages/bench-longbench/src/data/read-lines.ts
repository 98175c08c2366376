import type { Readable } from 'node:stream'
import { badData } from '../bad-data.ts'

/** A line of a text file without its line feed, and its number from 1. */
export interface Line {
  text: string
  line: number
}

/**
 * The lines of a UTF-8 stream, split at "\n" only: rows hold U+2028, U+0085 and other characters that some readers take
 * for line ends. A byte order mark at the start is dropped. One line is in memory at a time.
 * @throws KvError KV_DATA with file and line where bytes are not UTF-8.
 */
export async function* readLines(stream: Readable, file: string): AsyncGenerator<Line> {
  let parts: Buffer[] = []
  let line = 0
  const finish = (): Line => {
    line++
    const bytes = Buffer.concat(parts)
    parts = []
    try {
      return { text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: line > 1 }).decode(bytes), line }
    } catch {
      const advice = 'Save the file as UTF-8, or download it again.'
      throw badData({ file, line }, 'expected UTF-8 but the bytes are in another encoding', advice)
    }
  }
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    let from = 0
    for (let feed = chunk.indexOf(10); feed !== -1; feed = chunk.indexOf(10, from)) {
      parts.push(chunk.subarray(from, feed))
      from = feed + 1
      yield finish()
    }
    parts.push(chunk.subarray(from))
  }
  if (parts.some((part) => part.length > 0)) yield finish()
}
