import { readText } from '@qpkv/bench-kit'
import { KvError } from '@qpkv/spec'
import { UsageError } from '../usage-error.ts'

/** The text of a file that a flag names. @throws UsageError where it cannot be read, KvError KV_DATA where it holds no text */
export const readGiven = (
  path: string,
  flag: string,
  hint = `Check the path after ${flag}.`,
): Promise<string> =>
  readText(path).catch((cause: NodeJS.ErrnoException) => {
    if (KvError.isInstance(cause)) throw cause
    const missing = cause.code === 'ENOENT'
    throw new UsageError(
      missing ? `There is no file ${path}.` : `Cannot read ${path}: ${cause.message}.`,
      hint,
    )
  })
