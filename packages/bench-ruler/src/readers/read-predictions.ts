import { fileLines, parseObject, readRows, type OnBadRow } from '@qpkv/bench-kit'
import { answersField, textField } from './row-fields.ts'

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
export const readPredictions = (path: string, onBadRow?: OnBadRow): AsyncGenerator<RulerPrediction> =>
  readRows(fileLines(path), path, readPrediction, onBadRow)

function readPrediction(text: string, place: string): RulerPrediction {
  const fields = parseObject(text, place)
  return {
    prediction: textField(fields, 'pred', place),
    references: answersField(fields, ['outputs', 'answers'], place),
    place,
  }
}
