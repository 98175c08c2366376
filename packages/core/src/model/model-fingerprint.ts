import { createHash } from 'node:crypto'
import { open, readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'

const SAMPLE_BYTES = 1 << 20

/**
 * 16 hexadecimal digits for a model folder, or for a GGUF file: every JSON file whole, of every weight file its size, first and last MiB. Enough to notice
 * another model or revision without reading gigabytes; a change in the middle of a file of the same size goes unnoticed.
 */
export async function modelFingerprint(folder: string): Promise<string> {
  const hash = createHash('sha256')
  if ((await stat(folder)).isFile()) {
    await hashEnds(folder, hash)
    return hash.digest('hex').slice(0, 16)
  }
  const names = (await readdir(folder)).filter((name) => /\.(json|safetensors)$/.test(name)).sort(byCode)
  for (const name of names) {
    const path = join(folder, name)
    hash.update(`${name}\0`)
    if (name.endsWith('.json')) hash.update(await readFile(path))
    else await hashEnds(path, hash)
  }
  return hash.digest('hex').slice(0, 16)
}

const byCode = (a: string, b: string) => (a < b ? -1 : 1)

async function hashEnds(path: string, hash: ReturnType<typeof createHash>): Promise<void> {
  const { size } = await stat(path)
  hash.update(`${size}\0`)
  const file = await open(path)
  try {
    const length = Math.min(SAMPLE_BYTES, size)
    const buffer = Buffer.alloc(length)
    for (const position of [0, size - length]) {
      const { bytesRead } = await file.read(buffer, 0, length, position)
      hash.update(buffer.subarray(0, bytesRead))
    }
  } finally {
    await file.close()
  }
}
