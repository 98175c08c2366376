import { fileLines, parseObject, readRows, type OnBadRow } from '@qpkv/bench-kit'
import { omitUndefined } from '@qpkv/spec'
import type { RulerTask } from '../tasks/task-definitions.ts'
import { answersField, numberField, textField } from './row-fields.ts'
import type { RulerSample } from './ruler-sample.ts'

/**
 * Samples of a JSON lines file of either version of the scripts: official `<task>/validation.jsonl`, or the
 * `<length>/<task>.jsonl` of QPruningKV and KVCache-Factory (rows of 2024, whose prompt holds the answer prefix).
 */
export const readRulerJsonl = (
  path: string,
  task: RulerTask,
  onBadRow?: OnBadRow,
): AsyncGenerator<RulerSample> =>
  readRows(fileLines(path), path, (text, place, row) => readSample(text, task, row, place), onBadRow)

function readSample(text: string, task: RulerTask, row: number, place: string): RulerSample {
  const fields = parseObject(text, place)
  const length = numberField(fields, 'length')
  return {
    task,
    row,
    input: textField(fields, 'input', place),
    answerPrefix: fields['answer_prefix'] === undefined ? '' : textField(fields, 'answer_prefix', place),
    outputs: answersField(fields, ['outputs'], place),
    ...omitUndefined({ length }),
    place,
  }
}
