import { createReadStream } from 'node:fs'
import { dataError } from '../ruler-error.ts'

const NEWLINE = 10

/** A line of a file with its number, from 1. */
export interface NumberedLine {
  readonly number: number
  readonly text: string
}

/**
 * Lines of a UTF-8 file, split at "\n" only: rows may hold U+2028 and other characters that Node's readline takes for
 * line ends. Empty lines are left out but counted.
 *
 * @throws KvError KV_DATA when the file cannot be read or a line is not UTF-8
 */
export async function* readLines(path: string): AsyncGenerator<NumberedLine, void, undefined> {
  let number = 0
  let pending: Buffer[] = []
  const take = (last: Buffer): NumberedLine | null => {
    number += 1
    const text = decode(Buffer.concat([...pending, last]), `${path}:${number}`)
    pending = []
    return text.trim() === '' ? null : { number, text }
  }
  const chunks = createReadStream(path) as AsyncIterable<Buffer>
  try {
    for await (const chunk of chunks) {
      let from = 0
      for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, from)) {
        const line = take(chunk.subarray(from, at))
        from = at + 1
        if (line !== null) yield line
      }
      pending.push(chunk.subarray(from))
    }
  } catch (cause) {
    if (cause instanceof Error && 'syscall' in cause) {
      throw dataError(path, 'the file cannot be read.', 'Check the path, and that it is a file.', cause)
    }
    throw cause
  }
  const line = take(Buffer.alloc(0))
  if (line !== null) yield line
}

function decode(bytes: Buffer, place: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw dataError(place, 'the line is not UTF-8.', 'Convert the file to UTF-8, or fetch it again.', cause)
  }
}
