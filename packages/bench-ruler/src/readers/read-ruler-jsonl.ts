import { createReadStream } from 'node:fs'
import { readLines } from '@qpkv/bench-kit'
import { KvError } from '@qpkv/spec'
import { dataError } from '../ruler-error.ts'
import type { RulerTask } from '../tasks/task-definitions.ts'
import { answersField, numberField, parseJsonRow, textField } from './parse-json-row.ts'
import type { BadRowHandler, RulerSample } from './ruler-sample.ts'

/**
 * Samples of a JSON lines file of either version of the scripts: official `<task>/validation.jsonl`, or the
 * `<length>/<task>.jsonl` of QPruningKV and KVCache-Factory (rows of 2024, whose prompt holds the answer prefix).
 *
 * @param onBadRow called for a row that is no RULER row, with file and line in its message; the reader goes on.
 *   Without it the first such row is thrown.
 * @throws KvError KV_DATA when the file is missing, empty or not UTF-8
 */
export async function* readRulerJsonl(
  path: string,
  task: RulerTask,
  onBadRow?: BadRowHandler,
): AsyncGenerator<RulerSample, void, undefined> {
  let row = 0
  for await (const { line, text } of readLines(createReadStream(path), path)) {
    if (text?.trim() === '') continue
    const sample = attempt(() => readSample(text, task, row, `${path}:${line}`), onBadRow)
    row += 1
    if (sample !== null) yield sample
  }
  if (row === 0) throw dataError(path, 'the file is empty.', 'Generate or fetch it again.')
}

function readSample(text: string | null, task: RulerTask, row: number, place: string): RulerSample {
  const fields = parseJsonRow(text, place)
  const length = numberField(fields, 'length')
  return {
    task,
    row,
    input: textField(fields, 'input', place),
    answerPrefix: fields['answer_prefix'] === undefined ? '' : textField(fields, 'answer_prefix', place),
    outputs: answersField(fields, ['outputs'], place),
    ...(length === undefined ? {} : { length }),
    place,
  }
}

/** Runs a row's reader; hands its KvError to the handler, or throws it when there is none. */
export function attempt<T>(read: () => T, onBadRow: BadRowHandler | undefined): T | null {
  try {
    return read()
  } catch (error) {
    if (onBadRow === undefined || !KvError.isInstance(error)) throw error
    onBadRow(error)
    return null
  }
}
