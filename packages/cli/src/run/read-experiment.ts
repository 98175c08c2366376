import { readFile } from 'node:fs/promises'
import { fromJsonDocument, readResults, type Results } from '@qpkv/bench-kit'
import { KvError } from '@qpkv/spec'

/** A result file (.jsonl) or the JSON document that --json wrote of one. Throws KvError KV_RESULT_FILE. */
export async function readExperiment(path: string): Promise<Results> {
  if (path.endsWith('.jsonl')) return readResults(path)
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw unreadable(path, (cause as Error).message, cause)
  })
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw unreadable(path, (cause as Error).message, cause)
  }
  return fromJsonDocument(value, path)
}

const unreadable = (path: string, reason: string, cause: unknown) =>
  new KvError('KV_RESULT_FILE', `Cannot read ${path}: ${reason}.`, {
    hint: 'Give a .jsonl result file, or a .json that --json wrote.',
    cause,
  })
