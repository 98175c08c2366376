import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { KvError } from '@qpkv/spec'
import { describe, expect, it } from 'vitest'
import { decodeText, readText } from '../src/data/read-text.ts'
import { temporaryFolder } from './temporary-folder.ts'

describe('a text file', () => {
  it('is UTF-8, with or without a mark', async () => {
    expect(decodeText(Buffer.from('\ufeffé 漢 👍\n'), 'f')).toBe('é 漢 👍\n')
    expect(decodeText(Buffer.from('a\ufeffb'), 'f')).toBe('a\ufeffb')
    expect(decodeText(new Uint8Array(), 'f')).toBe('')
    const path = join(temporaryFolder(), 'text.txt')
    writeFileSync(path, '\ufeffHello')
    expect(await readText(path)).toBe('Hello')
  })

  it.each([
    ['UTF-16', Buffer.from('\ufeffHello', 'utf16le'), /UTF-16/],
    ['UTF-16 of the other order', Buffer.from('\ufeffHello', 'utf16le').swap16(), /UTF-16/],
    ['UTF-16 without a mark', Buffer.from('Hello there', 'utf16le'), /UTF-16/],
    ['Latin-1', Buffer.from('na\xefve caf\xe9', 'latin1'), /byte 2 \(0xef\) is in another encoding/],
    [
      'a picture',
      Buffer.from('\x89PNG\r\n\x1a\n\0\0\0\rIHDR', 'latin1'),
      /byte 8 is zero: this is no text file/,
    ],
    ['a cut character', Buffer.from('ab漢').subarray(0, 4), /byte 2 \(0xe6\)/],
  ])('of another kind is refused with the place: %s', (_, bytes, message) => {
    const read = () => decodeText(bytes, 'notes.txt')
    expect(read).toThrow(message)
    expect(read).toThrow(
      expect.toSatisfy(
        (cause) => KvError.isInstance(cause) && cause.code === 'KV_DATA' && /notes.txt/.test(cause.message),
      ) as Error,
    )
  })
})
