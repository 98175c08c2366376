import { fromJsonDocument, readResults, readText, type Results } from '@qpkv/bench-kit'
import { KvError } from '@qpkv/spec'

/** A result file (.jsonl), or the JSON document or documents that --json wrote. Throws KvError KV_RESULT_FILE. */
export async function readExperiments(path: string): Promise<readonly Results[]> {
  if (path.endsWith('.jsonl')) return [await readResults(path)]
  try {
    const value: unknown = JSON.parse(await readText(path))
    return (Array.isArray(value) && value.length > 0 ? value : [value]).map((one) =>
      fromJsonDocument(one, path),
    )
  } catch (cause) {
    if (KvError.isInstance(cause)) throw cause
    throw new KvError('KV_RESULT_FILE', `Cannot read ${path}: ${(cause as Error).message}.`, {
      hint: 'Give a .jsonl result file, or a .json that --json wrote.',
      cause,
    })
  }
}
