import { createReadStream } from 'node:fs'
import type { Place } from '../bad-data.ts'
import { type OnBadData, parseLines } from '../data/read-rows.ts'
import { readLines } from '@qpkv/bench-kit'
import { fieldOf, isText, parseFields } from '../data/row.ts'
import { pythonJson } from '../python/json.ts'
import type { V2Judged } from './accuracy.ts'
import { extractAnswer } from './extract-answer.ts'
import { type LongBenchV2Row, parseV2Row } from './row.ts'

function parseJudged(text: string, place: Place): V2Judged {
  const row = parseV2Row(text, place)
  return {
    row,
    chosen: extractAnswer(fieldOf(parseFields(text, place), 'response', 'a text', isText, place)),
  }
}

/** Reads a `results/<model>.jsonl` of the official v2 code; the letter is taken from the response again. */
export function readV2Predictions(file: string, onBad: OnBadData = 'stop'): AsyncGenerator<V2Judged> {
  return parseLines(readLines(createReadStream(file), file), file, parseJudged, onBad)
}

/** A line of that file (without line feed): the row with its context cut to 1000 characters, response and verdict. */
export function v2Line(row: LongBenchV2Row, response: string): string {
  const chosen = extractAnswer(response)
  const fields = {
    _id: row.id,
    domain: row.domain,
    sub_domain: row.subDomain,
    difficulty: row.difficulty,
    length: row.length,
    question: row.question,
    choice_A: row.choices.A,
    choice_B: row.choices.B,
    choice_C: row.choices.C,
    choice_D: row.choices.D,
    answer: row.answer,
    context: Array.from(row.context).slice(0, 1000).join(''),
    response,
    pred: chosen,
    judge: chosen === row.answer,
  }
  return pythonJson(fields, 'unicode')
}
