import { readdir } from 'node:fs/promises'
import { basename, join, relative, sep } from 'node:path'
import {
  isRulerTask,
  readPredictions,
  scoreTask,
  taskRule,
  type RulerPrediction,
  type RulerTask,
} from '@qpkv/bench-ruler'
import { KvError } from '@qpkv/spec'
import type { ScoredFile } from './scored-file.ts'

/** A file of RULER predictions and what its path says. */
export interface RulerPredictionFile {
  readonly path: string
  readonly task: RulerTask
  /** QPruningKV's and KVCache-Factory's layout. */
  readonly method?: string
  readonly length?: number
}

/**
 * Prediction files below a folder: RULER's `[…/]TASK.jsonl` and QPruningKV's
 * `[LENGTH/]TASK/METHOD.json`. Empty where there are none.
 */
export async function findRulerPredictions(folder: string): Promise<RulerPredictionFile[]> {
  const names = await readdir(folder, { recursive: true }).catch((cause: unknown) => {
    throw new KvError('KV_DATA', `Cannot read the folder ${folder}: ${(cause as Error).message}.`, {
      hint: 'Give the folder of the predictions: TASK.jsonl, or TASK/METHOD.json as the original writes them.',
      cause,
    })
  })
  return names.sort().flatMap((name) => {
    const path = join(folder, name)
    const parts = relative('.', join(basename(folder), name)).split(sep)
    const length = lengthIn(parts)
    const shared = { path, ...(length === undefined ? {} : { length }) }
    const alone = basename(name, '.jsonl')
    if (name.endsWith('.jsonl') && isRulerTask(alone)) return [{ ...shared, task: alone }]
    const task = parts.at(-2) ?? ''
    const method = basename(name, '.json')
    if (!name.endsWith('.json') || !isRulerTask(task) || notPredictions.has(method)) return []
    return [{ ...shared, task, method }]
  })
}

const notPredictions = new Set(['metrics', 'run_meta'])

function lengthIn(parts: readonly string[]): number | undefined {
  const found = parts.findLast((part) => /^\d{3,7}$/.test(part))
  return found === undefined ? undefined : Number(found)
}

/** Scores by RULER's rules, or, in QPruningKV's layout, by that code's: raw predictions, every reference. */
export async function scoreRulerFiles(
  files: readonly RulerPredictionFile[],
  onBadRow: (error: Error) => void,
): Promise<ScoredFile[]> {
  const scored: ScoredFile[] = []
  for (const { path, task, method, length } of files) {
    const predictions: RulerPrediction[] = []
    try {
      for await (const one of readPredictions(path, onBadRow)) predictions.push(one)
      const profile = method === undefined ? 'official' : 'qpruningkv'
      const { score, nulls } = scoreTask(
        profile,
        taskRule(profile, task).metric,
        predictions.map(({ prediction }) => prediction),
        predictions.map(({ references }) => references),
      )
      scored.push({
        task,
        method: method ?? '-',
        file: path,
        rows: predictions.length,
        score,
        nulls,
        ...(length === undefined ? {} : { length }),
      })
    } catch (error) {
      if (!KvError.isInstance(error)) throw error
      onBadRow(error)
    }
  }
  return scored
}
