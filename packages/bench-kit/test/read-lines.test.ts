import { createReadStream, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readLines, type TextLine } from '../src/index.ts'
import { temporaryFolder } from './temporary-folder.ts'

async function read(content: Buffer, chunk?: number): Promise<TextLine[]> {
  const path = join(temporaryFolder(), 'rows.jsonl')
  writeFileSync(path, content)
  const lines: TextLine[] = []
  const options = chunk === undefined ? {} : { highWaterMark: chunk }
  for await (const line of readLines(createReadStream(path, options), path)) lines.push(line)
  return lines
}

const texts = async (content: string | Buffer, chunk?: number) =>
  (await read(Buffer.from(content), chunk)).map(({ text }) => text)

describe('lines of a file', () => {
  it('end at line feeds only, in chunks of any size, with or without a last one', async () => {
    const content = 'é\u2028a\u0085b\n\n日本\r\nlast'
    for (const chunk of [1, 2, 3, 64]) {
      expect(await texts(content, chunk)).toEqual(['é\u2028a\u0085b', '', '日本\r', 'last'])
      expect(await texts(`${content}\n`, chunk)).toHaveLength(4)
    }
    expect(await texts('')).toEqual([])
  })

  it('lose a byte order mark at the start and nowhere else', async () => {
    expect(await texts('\uFEFFa\n\uFEFFb')).toEqual(['a', '\uFEFFb'])
  })

  it('of another encoding are null, and the others go on', async () => {
    const content = Buffer.concat([
      Buffer.from('one\n'),
      Buffer.from('caf\u00E9\n', 'latin1'),
      Buffer.from('three'),
    ])
    expect(await read(content)).toEqual([
      { line: 1, text: 'one' },
      { line: 2, text: null },
      { line: 3, text: 'three' },
    ])
  })

  it('of UTF-16, of a folder and of nothing are refused with the name', async () => {
    const utf16 = Buffer.from('\uFEFF{"a": 1}\n', 'utf16le')
    await expect(read(utf16)).rejects.toThrow(/rows\.jsonl:1: expected UTF-8 but the file is UTF-16/)
    await expect(read(Buffer.from(utf16).swap16())).rejects.toThrow(/UTF-16/)
    const folder = temporaryFolder()
    const lines = async (path: string) => {
      for await (const _ of readLines(createReadStream(path), path)) expect.fail()
    }
    await expect(lines(folder)).rejects.toThrow(`${folder}: expected a file but this is a folder.`)
    await expect(lines(join(folder, 'gone'))).rejects.toThrow(/gone: reading failed \(ENOENT/)
  })
})
