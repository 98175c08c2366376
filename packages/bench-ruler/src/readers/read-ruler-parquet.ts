import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects, type AsyncBuffer } from 'hyparquet'
import { dataError } from '../ruler-error.ts'
import { isRulerTask, type RulerTask } from '../tasks/task-definitions.ts'
import { answersField, numberField, textField, type Fields } from './parse-json-row.ts'
import { attempt } from './read-ruler-jsonl.ts'
import type { BadRowHandler, RulerSample } from './ruler-sample.ts'

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
  onBadRow?: BadRowHandler,
): AsyncGenerator<RulerSample, void, undefined> {
  const { file, rows } = await open(path)
  if (rows === 0) throw dataError(path, 'the file has no rows.', 'Fetch it again.')
  const rowOfTask = new Map<RulerTask, number>()
  for (let from = 0; from < rows; from += BATCH) {
    const batch = await decode(file, path, from, Math.min(rows, from + BATCH))
    for (const [i, fields] of batch.entries()) {
      const sample = attempt(() => readSample(fields, rowOfTask, `${path}:row ${from + i + 1}`), onBadRow)
      if (sample !== null && (wanted === undefined || wanted.includes(sample.task))) yield sample
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
      'the file is missing or no parquet file.',
      'A Git LFS pointer is not the file itself.',
      cause,
    )
  }
}

async function decode(file: AsyncBuffer, path: string, rowStart: number, rowEnd: number): Promise<Fields[]> {
  try {
    return await parquetReadObjects({ file, rowStart, rowEnd })
  } catch (cause) {
    throw dataError(
      path,
      `rows ${rowStart + 1} to ${rowEnd} cannot be decoded.`,
      'Fetch the file again.',
      cause,
    )
  }
}

function readSample(fields: Fields, rowOfTask: Map<RulerTask, number>, place: string): RulerSample {
  const task = textField(fields, 'task', place)
  if (!isRulerTask(task)) throw dataError(place, `"${task}" is no RULER task.`)
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
    ...(newTokens === undefined ? {} : { newTokens }),
    split: { context, question },
    place,
  }
}
