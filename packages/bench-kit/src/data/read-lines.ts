import { createReadStream } from 'node:fs'
import { KvError } from '@qpkv/spec'

/** A line of a text file, without its line feed. */
export interface TextLine {
  /** From 1. */
  readonly line: number
  /** Null where its bytes are not UTF-8. */
  readonly text: string | null
}

const FEED = 0x0a

/**
 * The lines of a UTF-8 stream, split at "\n" only: rows hold U+2028, U+0085 and other characters that some readers take for line ends.
 * A byte order mark at the start is dropped. One line is in memory at a time, and one that is not UTF-8 does not end the file.
 * @param file as messages name it
 * @throws KvError KV_DATA for a file of UTF-16, a folder, and where reading fails.
 */
export async function* readLines(stream: AsyncIterable<Buffer>, file: string): AsyncGenerator<TextLine> {
  let parts: Buffer[] = []
  let line = 0
  const finish = (): TextLine => {
    line++
    const bytes = Buffer.concat(parts)
    parts = []
    return { line, text: decode(bytes, line) }
  }
  for await (const chunk of namedChunks(stream, file)) {
    let from = 0
    for (let at = chunk.indexOf(FEED); at >= 0; at = chunk.indexOf(FEED, from)) {
      parts.push(chunk.subarray(from, at))
      from = at + 1
      yield finish()
    }
    parts.push(chunk.subarray(from))
  }
  if (parts.some((part) => part.length > 0)) yield finish()
}

/** The same of a file by its path. */
export const fileLines = (path: string): AsyncGenerator<TextLine> => readLines(createReadStream(path), path)

function decode(bytes: Buffer, line: number): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: line > 1 }).decode(bytes)
  } catch {
    return null
  }
}

/**
 * A file's bytes, with its name in every error of the stream itself (a folder, a cut zip entry, a disk error).
 * @throws KvError KV_DATA, for a file of UTF-16 too
 */
export async function* namedChunks(stream: AsyncIterable<Buffer>, file: string): AsyncGenerator<Buffer> {
  let first = true
  try {
    for await (const chunk of stream) {
      if (first && isUtf16(chunk)) throw utf16(file)
      first = false
      yield chunk
    }
  } catch (cause) {
    if (KvError.isInstance(cause)) throw cause
    if ((cause as NodeJS.ErrnoException).code === 'EISDIR')
      throw new KvError('KV_DATA', `${file}: expected a file but this is a folder.`, {
        hint: 'Put the official file in its place.',
        cause,
      })
    throw new KvError('KV_DATA', `${file}: reading failed (${(cause as Error).message}).`, {
      hint: 'Check the path, or fetch the file again.',
      cause,
    })
  }
}

const isUtf16 = (chunk: Buffer) => ['fffe', 'feff'].includes(chunk.toString('hex', 0, 2))

const utf16 = (file: string) =>
  new KvError('KV_DATA', `${file}:1: expected UTF-8 but the file is UTF-16.`, {
    hint: 'Save it as UTF-8 (iconv -f utf-16 -t utf-8), or fetch it again.',
  })
