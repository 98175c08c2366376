import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { KvError } from '@qpkv/spec'
import { parseSafetensorsHeader, readSafetensorsHeader } from '../src/model/safetensors.ts'
import { safetensorsFile, temporaryFolder } from './support/model-folder.ts'
import { throwsKv } from './support/throws.ts'

const a = { dtype: 'F32', shape: [2, 3], data_offsets: [0, 24] }
const b = { dtype: 'BF16', shape: [4], data_offsets: [24, 32] }
const file = (content: Uint8Array) => join(temporaryFolder({ 'm.safetensors': content }), 'm.safetensors')

const bad = (name: string, pattern: RegExp, content: () => Uint8Array) =>
  it(`refuses ${name}`, async () => {
    const error = await throwsKv('KV_MODEL_FILE', pattern, () => readSafetensorsHeader(file(content())))
    expect(error.message).toContain('m.safetensors')
  })

describe('a safetensors header', () => {
  it('gives names, types, shapes and places in the file', async () => {
    const header = await readSafetensorsHeader(
      file(safetensorsFile({ __metadata__: { format: 'pt' }, a, b }, 32)),
    )
    expect(header.metadata).toEqual({ format: 'pt' })
    const start = 8 + JSON.stringify({ __metadata__: { format: 'pt' }, a, b }).length
    expect(header.tensors.get('b')).toEqual({ dtype: 'BF16', shape: [4], offset: start + 24, bytes: 8 })
  })

  it('may be padded with spaces and hold empty and scalar tensors', async () => {
    const empty = { dtype: 'F32', shape: [0, 8], data_offsets: [4, 4] }
    const scalar = { dtype: 'F32', shape: [], data_offsets: [0, 4] }
    const header = await readSafetensorsHeader(
      file(safetensorsFile(`${JSON.stringify({ empty, scalar })}    `, 4)),
    )
    expect(header.tensors.size).toBe(2)
  })

  it.each([
    ['version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n', /git lfs pull/],
    ['<!DOCTYPE html><title>Not found</title>', /web page/],
    ['something else entirely', /Download the file again/],
  ])('that is %j says what the file is', async (content, hint) => {
    const error = await throwsKv('KV_MODEL_FILE', /header/, () =>
      readSafetensorsHeader(file(Buffer.from(content))),
    )
    expect(error.hint).toMatch(hint)
  })

  it('refuses a folder', async () => {
    await throwsKv('KV_MODEL_FILE', /folder of that name/, () => readSafetensorsHeader(temporaryFolder()))
  })

  bad('an empty file', /0 bytes/, () => new Uint8Array(0))
  bad('a length beyond the file', /claims 999 bytes/, () => safetensorsFile({ a }, 24, 999n))
  bad('an absurd length', /claims/, () => safetensorsFile({ a }, 24, 2n ** 63n))
  bad('a header that is no JSON', /no JSON/, () => safetensorsFile('{"a":', 24))
  bad('a header that is no object', /no JSON object/, () => safetensorsFile('[1]', 24))
  bad('bytes that are no UTF-8', /no JSON/, () =>
    Buffer.concat([safetensorsFile('', 0, 2n), Buffer.from([0xff, 0xfe])]),
  )
  bad('a name that occurs twice', /"a" twice/, () =>
    safetensorsFile(`{"a":${JSON.stringify(a)},"\\u0061":${JSON.stringify(a)}}`, 24),
  )
  bad('an unknown type', /unknown type "Q4"/, () => safetensorsFile({ a: { ...a, dtype: 'Q4' } }, 24))
  bad('a type named like a property of objects', /unknown type/, () =>
    safetensorsFile({ a: { ...a, dtype: 'constructor' } }, 24),
  )
  bad('an entry that is no object', /"a" is no object/, () => safetensorsFile({ a: 3 }, 24))
  bad('a negative size', /shape/, () => safetensorsFile({ a: { ...a, shape: [-2, -3] } }, 24))
  bad('a fractional size', /shape/, () => safetensorsFile({ a: { ...a, shape: [1.5, 4] } }, 24))
  bad('sizes whose product overflows', /needs/, () =>
    safetensorsFile({ a: { ...a, shape: [2 ** 50, 2 ** 50] } }, 24),
  )
  bad('a shape that needs other bytes', /needs 24 bytes but has 20/, () =>
    safetensorsFile({ a: { ...a, data_offsets: [0, 20] } }, 24),
  )
  bad('one offset only', /two byte positions/, () => safetensorsFile({ a: { ...a, data_offsets: [24] } }, 24))
  bad('an end before its beginning', /before it begins/, () =>
    safetensorsFile({ a: { ...a, data_offsets: [24, 0] } }, 24),
  )
  bad('data that are cut off', /cut off/, () => safetensorsFile({ a, b }, 30))
  bad('tensors that overlap', /"a" and "c" overlap/, () =>
    safetensorsFile({ a, c: { dtype: 'U8', shape: [4], data_offsets: [20, 24] } }, 24),
  )

  it('names a file that is not there', async () => {
    await throwsKv('KV_MODEL_FILE', /Could not open/, () =>
      readSafetensorsHeader(join(temporaryFolder(), 'no.safetensors')),
    )
  })

  it('survives any damage of a valid header with a KvError or a header that holds together', () => {
    const json = Buffer.from(JSON.stringify({ __metadata__: { x: 'y' }, a, b }))
    let state = 12345
    const random = (n: number) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      return state % n
    }
    for (let round = 0; round < 3000; round++) {
      const damaged = Buffer.from(json)
      for (let i = 0; i <= random(3); i++)
        damaged[random(damaged.length)] = round % 2 ? 32 + random(95) : random(256)
      const cut = damaged.subarray(0, round % 5 === 0 ? random(damaged.length) : damaged.length)
      try {
        const { tensors } = parseSafetensorsHeader('x', cut, 8 + cut.length + 32)
        for (const { offset, bytes } of tensors.values())
          expect(offset + bytes).toBeLessThanOrEqual(8 + cut.length + 32)
      } catch (cause) {
        expect(KvError.isInstance(cause), String(cause)).toBe(true)
      }
    }
  })
})
