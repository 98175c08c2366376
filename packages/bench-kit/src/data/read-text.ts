import { readFile } from 'node:fs/promises'
import { KvError } from '@qpkv/spec'

/**
 * The text of a UTF-8 file; a byte order mark at the start is dropped.
 * @throws KvError KV_DATA for other encodings and for files that hold no text, with the byte where it shows.
 */
export async function readText(path: string): Promise<string> {
  return decodeText(await readFile(path), path)
}

/** The same of bytes; `file` as messages name it. */
export function decodeText(bytes: Uint8Array, file: string): string {
  const start = Buffer.from(bytes.subarray(0, 4)).toString('hex')
  if (start.startsWith('fffe') || start.startsWith('feff') || looksUtf16(bytes))
    throw wrong(file, 'the file is UTF-16', 'Save it as UTF-8 (iconv -f utf-16 -t utf-8).')
  const zero = bytes.indexOf(0)
  if (zero >= 0) throw wrong(file, `byte ${zero} is zero: this is no text file`, 'Give a text file.')
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    const at = firstBroken(bytes)
    throw wrong(
      file,
      `byte ${at} (0x${(bytes[at] ?? 0).toString(16).padStart(2, '0')}) is in another encoding`,
      'Save it as UTF-8 (such as iconv -f windows-1252 -t utf-8).',
    )
  }
}

const wrong = (file: string, what: string, hint: string) =>
  new KvError('KV_DATA', `${file}: expected UTF-8 but ${what}.`, { hint })

/** Without a mark: every other byte of Western text is zero. */
function looksUtf16(bytes: Uint8Array): boolean {
  const looked = bytes.subarray(0, 512)
  if (looked.length < 4 || bytes.length % 2 !== 0) return false
  const zeros = (odd: number) => looked.filter((byte, i) => i % 2 === odd && byte === 0).length
  return [0, 1].some((odd) => zeros(odd) > looked.length / 4 && zeros(1 - odd) === 0)
}

/** Place of the first byte that belongs to no character. */
function firstBroken(bytes: Uint8Array): number {
  const begin = (length: number): string | undefined => {
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes.subarray(0, length), {
        stream: true,
      })
    } catch {
      return undefined
    }
  }
  let [sound, broken] = [0, bytes.length + 1]
  while (broken - sound > 1) {
    const middle = (sound + broken) >> 1
    if (begin(middle) === undefined) broken = middle
    else sound = middle
  }
  // Where a character is open, its first byte is the one.
  return Buffer.byteLength(begin(sound) ?? '')
}
