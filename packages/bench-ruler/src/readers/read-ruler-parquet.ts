import { omitUndefined } from '@qpkv/spec'
import { dataError, reportBadRow, type OnBadRow, type RowFields } from '@qpkv/bench-kit'
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects, type AsyncBuffer } from 'hyparquet'
import { isRulerTask, type RulerTask } from '../tasks/task-definitions.ts'
import { answersField, numberField, textField } from './row-fields.ts'
import type { RulerSample } from './ruler-sample.ts'

/** Rows decoded at a time; a row of 128k tokens is about half a megabyte. */
const BATCH = 64

/**
 * Samples of a Hugging Face copy of RULER in parquet (simonjegou/ruler, used by kvpress): columns context, question,
 * answer_prefix, answer (list), task, max_new_tokens.
 *
 * @param wanted only these tasks; all unless given
 * @param onBadRow as for `readRulerJsonl`
 * @throws KvError KV_DATA when the file is missing or no parquet file
 */
export async function* readRulerParquet(
  path: string,
  wanted?: readonly RulerTask[],
  onBadRow?: OnBadRow,
): AsyncGenerator<RulerSample, void, undefined> {
  const { file, rows } = await open(path)
  if (rows === 0) throw dataError(path, 'the file has no rows', 'Fetch it again.')
  const rowOfTask = new Map<RulerTask, number>()
  for (let from = 0; from < rows; from += BATCH) {
    const batch = await decode(file, path, from, Math.min(rows, from + BATCH))
    for (const [i, fields] of batch.entries()) {
      let sample: RulerSample
      try {
        sample = readSample(fields, rowOfTask, `${path}:row ${from + i + 1}`)
      } catch (error) {
        reportBadRow(error, onBadRow)
        continue
      }
      if (wanted === undefined || wanted.includes(sample.task)) yield sample
    }
  }
}

async function open(path: string): Promise<{ file: AsyncBuffer; rows: number }> {
  try {
    const file = await asyncBufferFromFile(path)
    const { num_rows: rows } = await parquetMetadataAsync(file)
    return { file, rows: Number(rows) }
  } catch (cause) {
    throw dataError(
      path,
      'the file is missing or no parquet file',
      'A Git LFS pointer is not the file itself.',
      cause,
    )
  }
}

async function decode(
  file: AsyncBuffer,
  path: string,
  rowStart: number,
  rowEnd: number,
): Promise<RowFields[]> {
  try {
    return await parquetReadObjects({ file, rowStart, rowEnd })
  } catch (cause) {
    throw dataError(
      path,
      `rows ${rowStart + 1} to ${rowEnd} cannot be decoded`,
      'Fetch the file again.',
      cause,
    )
  }
}

function readSample(fields: RowFields, rowOfTask: Map<RulerTask, number>, place: string): RulerSample {
  const task = textField(fields, 'task', place)
  if (!isRulerTask(task)) throw dataError(place, `"${task}" is no RULER task`)
  const row = rowOfTask.get(task) ?? 0
  rowOfTask.set(task, row + 1)
  const context = textField(fields, 'context', place)
  const question = textField(fields, 'question', place)
  const newTokens = numberField(fields, 'max_new_tokens')
  return {
    task,
    row,
    input: context + question,
    answerPrefix: textField(fields, 'answer_prefix', place),
    outputs: answersField(fields, ['answer', 'answers'], place),
    ...omitUndefined({ newTokens }),
    split: { context, question },
    place,
  }
}
