import { createReadStream } from 'node:fs'
import { readLines } from '@qpkv/bench-kit'
import { dataError } from '../ruler-error.ts'
import { answersField, parseJsonRow, textField } from './parse-json-row.ts'
import { attempt } from './read-ruler-jsonl.ts'
import type { BadRowHandler } from './ruler-sample.ts'

/** A model's answer with the expected ones. */
export interface RulerPrediction {
  readonly prediction: string
  readonly references: readonly string[]
  /** `file:line` */
  readonly place: string
}

/**
 * Predictions that the original programs wrote, one JSON object a line: RULER's `<task>.jsonl` (`pred`, `outputs`) or
 * QPruningKV's and KVCache-Factory's `<task>/<Method>.json` (`pred`, `answers`).
 */
export async function* readPredictions(
  path: string,
  onBadRow?: BadRowHandler,
): AsyncGenerator<RulerPrediction, void, undefined> {
  let count = 0
  for await (const { line, text } of readLines(createReadStream(path), path)) {
    if (text?.trim() === '') continue
    count += 1
    const prediction = attempt(() => readRow(text, `${path}:${line}`), onBadRow)
    if (prediction !== null) yield prediction
  }
  if (count === 0) throw dataError(path, 'the file is empty.', 'Run the predictions again.')
}

function readRow(text: string | null, place: string): RulerPrediction {
  const fields = parseJsonRow(text, place)
  return {
    prediction: textField(fields, 'pred', place),
    references: answersField(fields, ['outputs', 'answers'], place),
    place,
  }
}
