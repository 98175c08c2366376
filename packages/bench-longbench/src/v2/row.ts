import { createReadStream } from 'node:fs'
import { namedChunks, dataError, parseObject, readRows, type OnBadRow } from '@qpkv/bench-kit'
import { fieldOf, isText } from '../data/row.ts'
import type { Choice } from './extract-answer.ts'
import { streamObjects } from './stream-array.ts'

/** One question of LongBench v2 (https://arxiv.org/abs/2412.15204). */
export interface LongBenchV2Row {
  id: string
  domain: string
  subDomain: string
  difficulty: 'easy' | 'hard'
  length: 'short' | 'medium' | 'long'
  question: string
  choices: Record<Choice, string>
  answer: Choice
  context: string
}

const oneOf =
  <T extends string>(...names: T[]) =>
  (value: unknown): value is T =>
    names.some((name) => name === value)

/** Checks one object of data.json. @throws KvError KV_DATA with file and line. */
export function parseV2Row(text: string, place: string): LongBenchV2Row {
  const row = parseObject(text, place)
  if ('input' in row && 'answers' in row) {
    throw dataError(
      place,
      'expected a row of LongBench v2 but this is one of LongBench v1',
      "Point to LongBench-v2's data.json.",
    )
  }
  const textOf = (name: string): string => fieldOf(row, name, 'a text', isText, place)
  return {
    id: textOf('_id'),
    domain: textOf('domain'),
    subDomain: textOf('sub_domain'),
    difficulty: fieldOf(row, 'difficulty', 'easy or hard', oneOf('easy', 'hard'), place),
    length: fieldOf(row, 'length', 'short, medium or long', oneOf('short', 'medium', 'long'), place),
    question: textOf('question'),
    choices: { A: textOf('choice_A'), B: textOf('choice_B'), C: textOf('choice_C'), D: textOf('choice_D') },
    answer: fieldOf(row, 'answer', 'A, B, C or D', oneOf('A', 'B', 'C', 'D'), place),
    context: textOf('context'),
  }
}

/** The questions of the user's `data.json`, one in memory at a time. */
export function readV2Rows(file: string, onBad?: OnBadRow): AsyncGenerator<LongBenchV2Row> {
  return readRows(streamObjects(namedChunks(createReadStream(file), file), file), file, parseV2Row, onBad)
}
