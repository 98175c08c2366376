import { parseSpec, type CompressionSpec } from '@qpkv/spec'
import { UsageError } from '../usage-error.ts'
import { readGiven } from './read-given.ts'

/** The specs of a file, one text form a line; what stands behind a `#` and a space is a remark. */
export async function readSpecs(path: string): Promise<CompressionSpec[]> {
  const text = await readGiven(path, '--specs')
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
