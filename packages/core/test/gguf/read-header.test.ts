import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { KvError } from '@qpkv/spec'
import { readGgufHeader } from '../../src/gguf/read-header.ts'
import { temporaryFolder } from '../support/model-folder.ts'
import { throwsKv } from '../support/throws.ts'
import { ggufFile } from './support/gguf-model.ts'
import { writeGguf } from './support/write-gguf.ts'

const metadata = {
  'general.architecture': { text: 'llama' },
  big: { u64: 2 ** 40 },
  words: { texts: ['a', 'bc', ''] },
  flag: { bool: true },
}
const tensors = [
  { name: 'a', shape: [3, 32], type: 2, data: new Uint8Array(54) },
  { name: 'b', shape: [5], type: 0, data: new Uint8Array(20) },
]

describe('a GGUF header', () => {
  it('gives values, types, shapes and places in the file', async () => {
    const header = await readGgufHeader(ggufFile(metadata, tensors))
    expect(header.metadata.get('big')).toBe(2 ** 40)
    expect(header.metadata.get('words')).toEqual(['a', 'bc', ''])
    const [a, b] = [header.tensors.get('a'), header.tensors.get('b')]
    expect(a).toMatchObject({ shape: [3, 32], bytes: 54, type: { name: 'Q4_0' } })
    expect(b).toMatchObject({ shape: [5], bytes: 20, offset: (a?.offset ?? 0) + 64 })
  })

  it('with long texts and lists is read whole', async () => {
    for (const length of [2 ** 20 - 100, 2 ** 20, 2 ** 22 + 3]) {
      const long = 'x'.repeat(length)
      const path = ggufFile({ long: { text: long }, list: { texts: [long, 'end'] } }, tensors)
      const { metadata: read } = await readGgufHeader(path)
      expect((read.get('long') as string).length).toBe(length)
      expect(read.get('list')).toEqual([long, 'end'])
    }
  })

  it('that is cut off anywhere is refused', async () => {
    const whole = writeGguf(metadata, tensors)
    const path = join(temporaryFolder(), 'm.gguf')
    for (let end = 0; end < whole.length - 12; end += 3) {
      writeFileSync(path, whole.subarray(0, end))
      await throwsKv('KV_MODEL_FILE', /./, () => readGgufHeader(path))
    }
  })

  it('with any byte changed is read or refused, and nothing reaches beyond the file', async () => {
    const whole = writeGguf(metadata, tensors)
    const path = join(temporaryFolder(), 'm.gguf')
    for (let at = 0; at < 260; at++) {
      const changed = Buffer.from(whole)
      changed.writeUInt8(changed.readUInt8(at) ^ (1 << (at % 8)), at)
      changed.writeUInt8(changed.readUInt8((at * 7) % 260) ^ 0xff, (at * 7) % 260)
      writeFileSync(path, changed)
      try {
        const { tensors: read } = await readGgufHeader(path)
        for (const { offset, bytes } of read.values())
          expect(offset + bytes).toBeLessThanOrEqual(whole.length)
      } catch (cause) {
        expect(KvError.isInstance(cause), String(cause)).toBe(true)
      }
    }
  })

  it('whose tensors overlap, have rows that fill no block, or stand there twice is refused', async () => {
    const row = { name: 'r', shape: [2, 33], type: 2, data: new Uint8Array(40) }
    await throwsKv('KV_MODEL_FILE', /rows of 33/, () => readGgufHeader(ggufFile({}, [row])))
    const [a] = tensors
    await throwsKv('KV_MODEL_FILE', /"a" twice/, () => readGgufHeader(ggufFile({}, a ? [a, a] : [])))
    const overlapping = writeGguf({}, tensors)
    const at = overlapping.indexOf(Buffer.from([64, 0, 0, 0, 0, 0, 0, 0])) // where b begins
    overlapping.writeUInt8(32, at)
    const path = join(temporaryFolder({ 'o.gguf': overlapping }), 'o.gguf')
    await throwsKv('KV_MODEL_FILE', /overlap/, () => readGgufHeader(path))
  })
})
