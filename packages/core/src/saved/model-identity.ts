import { createHash } from 'node:crypto'
import { open, stat } from 'node:fs/promises'
import type { NativeModelDescription } from '../native/addon.ts'

/** Bytes that are read of each tensor, from its middle. */
const SAMPLE_BYTES = 64

/**
 * 32 hexadecimal digits for a model: its sizes and blocks, where which tensors stand in its files, the files' sizes, and
 * some bytes of each tensor. Folder, times and names are no part of it, so a copy elsewhere is the same model; a change that spares all samples goes unnoticed.
 */
export async function modelIdentity(description: NativeModelDescription): Promise<string> {
  const { files, packed: _, precision: _p, formats: _f, ropes, ...facts } = description
  const hash = createHash('sha256')
  hash.update(JSON.stringify({ ...facts, ropes: ropes.map(plain) }))
  const handles = await Promise.all(files.map((file) => open(file)))
  try {
    for (const file of files) hash.update(`${(await stat(file)).size}\0`)
    for (const [role, { file, offset, element, shape }] of Object.entries(description.tensors)) {
      const bytes = Buffer.alloc(SAMPLE_BYTES)
      // At least two bits an element; beyond the file's end nothing is read.
      const middle =
        offset + Math.floor((shape.reduce((product, n) => product * n, 1) * leastBits(element)) / 16)
      const { bytesRead } = await handles[file]!.read(bytes, 0, SAMPLE_BYTES, middle)
      hash.update(role).update(bytes.subarray(0, bytesRead))
    }
  } finally {
    await Promise.all(handles.map((handle) => handle.close()))
  }
  return hash.digest('hex').slice(0, 32)
}

/** Bits of an element, or less. */
const leastBits = (element: string): number => (element === 'f32' ? 32 : element.endsWith('f16') ? 16 : 4)

const plain = ({ inverse, scale, long }: NativeModelDescription['ropes'][number]) => ({
  inverse: [...inverse],
  scale,
  ...(long && { long: { ...long, inverse: [...long.inverse] } }),
})
