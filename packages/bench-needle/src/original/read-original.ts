import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isPlainObject, KvError } from '@qpkv/spec'

/** One cell of the original codes' result folder: the fields of a `*_results.json` file, with their names. */
export interface OriginalResult {
  readonly model: string
  readonly context_length: number
  readonly depth_percent: number
  readonly version: number
  readonly needle: string
  readonly model_response: string
  /** ROUGE-1 F x 10, or the judge's 1 to 10. */
  readonly score: number
  readonly test_duration_seconds: number
  readonly test_timestamp_utc: string
}

const shape = {
  model: 'string',
  context_length: 'number',
  depth_percent: 'number',
  needle: 'string',
  model_response: 'string',
  score: 'number',
} as const

const SUFFIX = '_results.json'

/** What a folder held: sound cells in order of length and depth, and a line per file that could not be used. */
export interface OriginalFolder {
  readonly results: readonly OriginalResult[]
  readonly problems: readonly string[]
}

/**
 * Reads every `*_results.json` of a folder and its folders. A broken file is named in `problems`.
 * @throws KvError KV_DATA when there is no such folder or nothing in it can be used
 */
export async function readOriginalFolder(folder: string): Promise<OriginalFolder> {
  let names: string[]
  try {
    names = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith(SUFFIX)).sort()
  } catch (cause) {
    throw new KvError('KV_DATA', `Cannot read ${folder}: ${(cause as Error).message}.`, {
      hint: 'Point to the folder that the needle script wrote its results to.',
      cause,
    })
  }
  const problems: string[] = []
  const results: OriginalResult[] = []
  for (const name of names) {
    const read = await readOne(join(folder, name))
    if (typeof read === 'string') problems.push(`${name}: ${read}`)
    else results.push(read)
  }
  if (results.length === 0) {
    throw new KvError('KV_DATA', `No usable *${SUFFIX} file in ${folder}.`, {
      hint: problems[0] ?? 'Point to the folder that the needle script wrote its results to.',
    })
  }
  results.sort((a, b) => a.context_length - b.context_length || a.depth_percent - b.depth_percent)
  return { results, problems }
}

async function readOne(path: string): Promise<OriginalResult | string> {
  let bytes: Buffer
  try {
    bytes = await readFile(path)
  } catch (error) {
    const folder = (error as NodeJS.ErrnoException).code === 'EISDIR'
    return folder ? 'expected a file but this is a folder' : (error as Error).message
  }
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (error) {
    if (!(error instanceof SyntaxError)) return 'expected UTF-8 but the bytes are in another encoding'
    return bytes.length === 0 ? 'the file is empty' : `not JSON (${error.message})`
  }
  if (!isPlainObject(value)) return 'expected a JSON object'
  for (const [field, type] of Object.entries(shape)) {
    if (typeof value[field] !== type) return `expected a ${type} in "${field}"`
  }
  const defaults = { version: 1, test_duration_seconds: 0, test_timestamp_utc: '' }
  return { ...defaults, ...value } as unknown as OriginalResult
}
