import { listPacked, packedSettings } from '@qpkv/core'
import { KvError } from '@qpkv/spec'
import type { Findings } from './findings.ts'

/** What loads have kept, or what is wrong with the settings of it. */
export async function examinePackedWeights(
  env: NodeJS.ProcessEnv = process.env,
): Promise<Findings['weights']> {
  try {
    const { folder, limit } = packedSettings(undefined, env)
    const files = folder === undefined ? [] : await listPacked(folder)
    return { folder, files: files.length, bytes: files.reduce((sum, file) => sum + file.bytes, 0), limit }
  } catch (cause) {
    if (!KvError.isInstance(cause)) throw cause
    const problem = `${cause.message} ${cause.hint ?? ''}`.trim()
    return { folder: undefined, files: 0, bytes: 0, limit: 0, problem }
  }
}
