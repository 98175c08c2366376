import { reportBadRow, type OnBadRow } from '@qpkv/bench-kit'
import { KvError } from '@qpkv/spec'
import { findRulerFiles } from '../readers/find-ruler-files.ts'
import { readRulerJsonl } from '../readers/read-ruler-jsonl.ts'
import { readRulerParquet } from '../readers/read-ruler-parquet.ts'
import type { RulerSample } from '../readers/ruler-sample.ts'
import type { RulerTask } from '../tasks/task-definitions.ts'
import type { RulerInput } from './ruler-input.ts'

export interface ReadOptions {
  readonly tasks: readonly RulerTask[]
  /** all that the folder has unless given */
  readonly lengths?: readonly number[]
  /** first rows per task and length */
  readonly samples: number
  /** told of each bad row, which is left out; without it the first one is thrown */
  readonly onBadRow?: OnBadRow
}

/**
 * Samples of a data folder in any of the known layouts, in the order of lengths and tasks.
 * @throws KvError KV_DATA with file and line for a bad row, and when nothing fits
 */
export async function readInputs(folder: string, options: ReadOptions): Promise<RulerInput[]> {
  const { tasks, lengths, samples, onBadRow } = options
  const inputs: RulerInput[] = []
  for (const { path, format, task, length } of await findRulerFiles(folder)) {
    if (lengths !== undefined && (length === null || !lengths.includes(length))) continue
    if (task !== null && !tasks.includes(task)) continue
    const rows =
      format === 'parquet' || task === null
        ? readRulerParquet(path, tasks, onBadRow)
        : readRulerJsonl(path, task, onBadRow)
    try {
      for await (const sample of firstRows(rows, tasks, samples, task !== null))
        inputs.push({ sample, length: length ?? 0 })
    } catch (error) {
      // The rest of a broken file is one bad row; other files go on.
      reportBadRow(error, onBadRow)
    }
  }
  if (inputs.length > 0) return inputs
  throw new KvError('KV_DATA', `${folder} holds no sample of ${tasks.join(', ')} at these lengths.`, {
    hint: 'Leave --tasks or --length out, or point to another folder.',
  })
}

/** The first `samples` rows of every task; a file of one task is left as soon as it has given them. */
async function* firstRows(
  rows: AsyncIterable<RulerSample>,
  tasks: readonly RulerTask[],
  samples: number,
  oneTask: boolean,
): AsyncGenerator<RulerSample> {
  const counts = new Map<RulerTask, number>()
  for await (const sample of rows) {
    const count = counts.get(sample.task) ?? 0
    if (tasks.includes(sample.task) && count < samples) {
      counts.set(sample.task, count + 1)
      yield sample
      if (oneTask && count + 1 === samples) return
    }
  }
}
