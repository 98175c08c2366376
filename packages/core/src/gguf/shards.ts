import { access } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { kvError } from '../errors.ts'

/** `PREFIX-00001-of-00003.gguf` */
const partName = /^(.*)-\d{5}-of-(\d{5})\.gguf$/

/**
 * All files of the model that `path` belongs to, in order: itself, or the parts of a split model
 * (`NAME-00001-of-00003.gguf`), whichever of them was named.
 * @throws KV_MODEL_FILE when a part is missing.
 */
export async function shardPaths(path: string): Promise<string[]> {
  const [, prefix, digits] = partName.exec(basename(path)) ?? []
  if (prefix === undefined || digits === undefined) return [path]
  const total = Number(digits)
  const paths = Array.from({ length: total }, (_, i) =>
    join(dirname(path), `${prefix}-${String(i + 1).padStart(5, '0')}-of-${digits}.gguf`),
  )
  for (const part of paths)
    await access(part).catch(() => {
      throw kvError(
        'KV_MODEL_FILE',
        `Expected ${basename(part)} beside ${path}, one of the ${total} files of the model, but it is not there.`,
        'Download the missing part into the same folder.',
      )
    })
  return paths
}
