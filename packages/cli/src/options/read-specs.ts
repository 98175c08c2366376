import { readText } from '@qpkv/bench-kit'
import { KvError, parseSpec, type CompressionSpec } from '@qpkv/spec'
import { UsageError } from '../usage-error.ts'

/** The specs of a file, one text form a line; what stands behind a `#` and a space is a remark. */
export async function readSpecs(path: string): Promise<CompressionSpec[]> {
  const text = await readText(path).catch((cause: unknown) => {
    if (KvError.isInstance(cause)) throw cause
    throw new UsageError(`There is no file ${path}.`, 'Check the path after --specs.')
  })
  return text.split('\n').flatMap((line, i) => {
    const spec = line.replace(/(^|\s)#\s.*$/, '').trim()
    if (spec === '') return []
    try {
      return [parseSpec(spec)]
    } catch (error) {
      throw new UsageError(`${path}:${i + 1}: ${(error as Error).message}`, 'See qpkv methods.')
    }
  })
}
