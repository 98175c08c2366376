import { dataError } from '@qpkv/bench-kit'
import type { TextLine } from '@qpkv/bench-kit'

const quote = 0x22
const backslash = 0x5c
const feed = 0x0a
const opening = 0x7b
const closing = 0x7d

/**
 * The top-level objects of a JSON array (or of JSON lines), as text with the line each begins at. The file is never in
 * memory as a whole: LongBench v2's `data.json` is one array of about 465 MB.
 * An object that is not UTF-8 has no text.
 * @throws KvError KV_DATA where the file ends within an object.
 */
export async function* streamObjects(stream: AsyncIterable<Buffer>, file: string): AsyncGenerator<TextLine> {
  let parts: Buffer[] = []
  let depth = 0
  let inText = false
  let escaped = false
  let line = 1
  let startLine = 1
  const finish = (): TextLine => {
    const bytes = Buffer.concat(parts)
    parts = []
    try {
      return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes), line: startLine }
    } catch {
      return { text: null, line: startLine }
    }
  }
  for await (const chunk of stream) {
    let from = 0
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at]
      if (byte === feed) line++
      if (inText) {
        if (escaped) escaped = false
        else if (byte === backslash) escaped = true
        else if (byte === quote) inText = false
      } else if (byte === quote) inText = true
      else if (byte === opening) {
        if (depth === 0) [from, startLine] = [at, line]
        depth++
      } else if (byte === closing) {
        depth--
        if (depth < 0)
          throw dataError(`${file}:${line}`, 'a "}" without its "{"', 'Download data.json again.')
        if (depth > 0) continue
        parts.push(chunk.subarray(from, at + 1))
        yield finish()
      }
    }
    if (depth > 0) parts.push(chunk.subarray(from))
  }
  if (depth > 0)
    throw dataError(`${file}:${startLine}`, 'the file ends within a row', 'Download data.json again.')
}
