import { dataError, parseObject, pythonJson } from '@qpkv/bench-kit'
import { answersOf, fieldOf, isCount, isText, isTextsOrNull, type LongBenchRow } from '../data/row.ts'

/** One line of a prediction file, in either of the originals' layouts. */
export interface Prediction {
  prediction: string
  answers: string[]
  allClasses: string[] | null
  /** Left out in some files; without it there are no scores by length. */
  length?: number
  /** Only in the layout of QPruningKV and KVCache-Factory. */
  id?: string
}

/** Checks one line of a prediction file. @throws KvError KV_DATA with file and line. */
export function parsePrediction(text: string, place: string): Prediction {
  const row = parseObject(text, place)
  if (!('pred' in row) && ('outputs' in row || 'needle' in row)) {
    throw dataError(
      place,
      'expected a LongBench prediction but this is a file of another benchmark',
      'Point to its LongBench results.',
    )
  }
  const id = row['_id']
  return {
    prediction: fieldOf(row, 'pred', 'a text', isText, place),
    answers: answersOf(row, place),
    allClasses: fieldOf(row, 'all_classes', 'a list of texts or null', isTextsOrNull, place),
    ...('length' in row ? { length: fieldOf(row, 'length', 'a number of words', isCount, place) } : {}),
    ...(isText(id) ? { id } : {}),
  }
}

/** A line of `pred/<model>/<dataset>.jsonl` as the official pred.py writes it (without line feed). */
export function officialLine(row: LongBenchRow, prediction: string): string {
  const { answers, allClasses, length } = row
  return pythonJson({ pred: prediction, answers, all_classes: allClasses, length }, 'unicode')
}

/** A line of `<dataset>/<Method>.json` as QPruningKV and KVCache-Factory write it (without line feed). */
export function qpruningkvLine(row: LongBenchRow, prompt: string, prediction: string): string {
  const fields = {
    prompt,
    input: row.input,
    context: row.context,
    answers: row.answers,
    pred: prediction,
    length: row.length,
    dataset: row.dataset,
    language: row.language,
    all_classes: row.allClasses,
    _id: row.id,
  }
  return pythonJson(fields, 'ascii')
}
