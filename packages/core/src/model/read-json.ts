import { readFile } from 'node:fs/promises'
import { isPlainObject } from '@qpkv/spec'
import { kvError } from '../errors.ts'
import { damagedFileAdvice } from './damaged-file.ts'

/** Reads a JSON file that must hold an object; undefined when there is no such file. */
export async function readJsonObject(path: string): Promise<Record<string, unknown> | undefined> {
  let text: string
  try {
    text = (await readFile(path, 'utf8')).replace(/^\uFEFF/, '') // some editors put a byte order mark there
  } catch (cause) {
    if (['ENOENT', 'ENOTDIR'].includes((cause as NodeJS.ErrnoException).code ?? '')) return undefined
    throw kvError('KV_CONFIG', `Could not read ${path}: ${(cause as Error).message}.`)
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw kvError(
      'KV_CONFIG',
      `Expected JSON in ${path}, but it cannot be parsed: ${(cause as Error).message}.`,
      damagedFileAdvice(text),
    )
  }
  if (!isPlainObject(value))
    throw kvError('KV_CONFIG', `Expected a JSON object in ${path}.`, damagedFileAdvice(text))
  return value
}
