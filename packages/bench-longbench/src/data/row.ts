import { dataError, parseObject, type RowFields } from '@qpkv/bench-kit'
import { describeValue } from '@qpkv/spec'
import type { DatasetFacts } from './datasets.ts'

/** One row of a LongBench file. */
export interface LongBenchRow {
  id: string
  /** Name without `_e`. */
  dataset: string
  language: string
  input: string
  context: string
  answers: string[]
  /** Words (en, code) or characters (zh) of input, context and answers. */
  length: number
  /** The class names of trec and lsht, null elsewhere. */
  allClasses: string[] | null
}

/** Which benchmark a row comes from, as far as its fields tell. */
function otherBenchmark(row: RowFields): string | undefined {
  if ('choice_A' in row) return 'LongBench v2'
  if ('outputs' in row) return 'RULER'
  if ('needle' in row || 'depth_percent' in row) return 'the needle test'
  if ('pred' in row) return 'a prediction file'
  return undefined
}

/** Reads one field or says what is wrong with it. */
export function fieldOf<T>(
  row: RowFields,
  name: string,
  expected: string,
  check: (value: unknown) => value is T,
  place: string,
): T {
  const value = row[name]
  if (check(value)) return value
  const problem =
    name in row
      ? `expected ${expected} for "${name}" but received ${describeValue(value)}`
      : `the field "${name}" is missing`
  throw dataError(place, problem, 'Take the row from the official file.')
}

export const isText = (value: unknown): value is string => typeof value === 'string'
export const isCount = (value: unknown): value is number => Number.isInteger(value) && Number(value) >= 0
const isTexts = (value: unknown): value is string[] => Array.isArray(value) && value.every(isText)
export const isTextsOrNull = (value: unknown): value is string[] | null => value === null || isTexts(value)
const isAnswers = (value: unknown): value is (string | number)[] =>
  Array.isArray(value) && value.every((one) => isText(one) || typeof one === 'number')

/** The answers of a row; a number among them is taken as its digits, as the official scorer does. */
export function answersOf(row: RowFields, place: string): string[] {
  return fieldOf(row, 'answers', 'a list of texts', isAnswers, place).map(String)
}

/**
 * Checks one line of a dataset file.
 * @throws KvError KV_DATA with file and line: no JSON object, a field missing or of another type, a row of another dataset or benchmark.
 */
export function parseRow(text: string, place: string, dataset: DatasetFacts): LongBenchRow {
  const row = parseObject(text, place)
  const other = otherBenchmark(row)
  if (other !== undefined) {
    throw dataError(
      place,
      `expected a row of LongBench but this is one of ${other}`,
      `Point to ${dataset.name}.jsonl.`,
    )
  }
  const name = fieldOf(row, 'dataset', 'a text', isText, place)
  if (name !== dataset.name && name !== `${dataset.name}_e`) {
    throw dataError(
      place,
      `expected a row of ${dataset.name} but it says ${describeValue(name)}`,
      `Point to ${dataset.name}.jsonl.`,
    )
  }
  return {
    id: fieldOf(row, '_id', 'a text', isText, place),
    dataset: dataset.name,
    language: fieldOf(row, 'language', 'a text', isText, place),
    input: fieldOf(row, 'input', 'a text', isText, place),
    context: fieldOf(row, 'context', 'a text', isText, place),
    answers: answersOf(row, place),
    length: fieldOf(row, 'length', 'a number of words', isCount, place),
    allClasses: fieldOf(row, 'all_classes', 'a list of texts or null', isTextsOrNull, place),
  }
}
