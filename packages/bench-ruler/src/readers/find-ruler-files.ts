import { dataError } from '@qpkv/bench-kit'
import { readdir } from 'node:fs/promises'
import { basename, dirname, join, relative, sep } from 'node:path'
import { isRulerTask, RULER_TASKS, type RulerTask } from '../tasks/task-definitions.ts'

/** A data file and what its path says about it. */
export interface RulerFile {
  readonly path: string
  readonly format: 'jsonl' | 'parquet'
  /** context length in tokens: the last folder that is a number; null if there is none */
  readonly length: number | null
  /** null for parquet files, which hold several tasks */
  readonly task: RulerTask | null
}

/**
 * Data files below a folder: `[length/]<task>.jsonl`, `[length/...]<task>/validation.jsonl` and `[length/]*.parquet`.
 * Sorted by length, then in RULER's order of tasks.
 *
 * @throws KvError KV_DATA when the folder is missing or holds none
 */
export async function findRulerFiles(folder: string): Promise<RulerFile[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch((cause: unknown) => {
    throw dataError(folder, 'the folder cannot be read', 'Give the folder with the RULER data.', cause)
  })
  const files = entries.flatMap((entry) => {
    if (!entry.isFile()) return []
    const path = join(entry.parentPath, entry.name)
    return describeFile(path, lengthOf(relative(dirname(folder), path))) ?? []
  })
  if (files.length === 0) {
    const hint =
      'Expected <length>/<task>.jsonl, <length>/<task>/validation.jsonl or <length>/*.parquet below it.'
    throw dataError(folder, 'no RULER file in the folder', hint)
  }
  return files.sort(
    (a, b) => (a.length ?? 0) - (b.length ?? 0) || orderOf(a) - orderOf(b) || (a.path < b.path ? -1 : 1),
  )
}

function describeFile(path: string, length: number | null): RulerFile | null {
  if (path.endsWith('.parquet')) return { path, format: 'parquet', length, task: null }
  if (!path.endsWith('.jsonl')) return null
  const name = basename(path, '.jsonl')
  const task = ['validation', 'test'].includes(name) ? basename(dirname(path)) : name
  return isRulerTask(task) ? { path, format: 'jsonl', length, task } : null
}

function lengthOf(path: string): number | null {
  const number = path.split(sep).findLast((part) => /^\d{3,7}$/.test(part))
  return number === undefined ? null : Number(number)
}

function orderOf(file: RulerFile): number {
  return file.task === null ? RULER_TASKS.length : RULER_TASKS.indexOf(file.task)
}
