import { dataError } from '@qpkv/bench-kit'

/** Place of a character in a word: Begin, End, Middle, Single. */
export type State = 'B' | 'E' | 'M' | 'S'

/** Log probabilities; what a map lacks counts as {@link impossible}. */
export interface HmmTables {
  start: Record<State, number>
  transition: Record<State, Partial<Record<State, number>>>
  emission: Record<State, ReadonlyMap<string, number>>
}

/** jieba's stand-in for log(0). */
export const impossible = -3.14e100

type Nested = Record<string, Record<string, number>>

/** The one dictionary literal of a `prob_*.py` module (or the JSON of the same shape). */
function parseLiteral(text: string, file: string): unknown {
  const from = text.indexOf('{')
  const to = text.lastIndexOf('}')
  try {
    return JSON.parse(text.slice(from, to + 1).replaceAll("'", '"'))
  } catch {
    throw dataError(
      file,
      'expected one table of log probabilities',
      "Take the file from jieba's finalseg folder.",
    )
  }
}

/** Tables from jieba's own three files, `prob_{start,trans,emit}` as `.py` or `.json`; full precision. */
export function parseProbFiles(
  files: Record<'start' | 'trans' | 'emit', { file: string; text: string }>,
): HmmTables {
  const start = parseLiteral(files.start.text, files.start.file) as Record<State, number>
  const transition = parseLiteral(files.trans.text, files.trans.file) as HmmTables['transition']
  const emit = parseLiteral(files.emit.text, files.emit.file) as Nested
  const of = (state: State): Map<string, number> => new Map(Object.entries(emit[state] ?? {}))
  const tables = { start, transition, emission: { B: of('B'), E: of('E'), M: of('M'), S: of('S') } }
  checkTables(tables, files.emit.file)
  return tables
}

/**
 * Tables from cppjieba's `hmm_model.utf8`: comments with "#", a line of start values, four of transitions, four of
 * emissions `char:value,...`, always in the order B E M S. Its emissions are rounded to six decimals.
 */
export function parseHmmModel(text: string, file: string): HmmTables {
  const lines = text.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('#'))
  const states = ['B', 'E', 'M', 'S'] as const
  const numbers = (at: number): Record<State, number> => {
    const [B = NaN, E = NaN, M = NaN, S = NaN] = (lines[at] ?? '').trim().split(/\s+/).map(Number)
    return { B, E, M, S }
  }
  const emission = (at: number): Map<string, number> =>
    new Map(
      (lines[at] ?? '').split(',').map((pair) => {
        const colon = pair.lastIndexOf(':')
        return [pair.slice(0, colon), Number(pair.slice(colon + 1))]
      }),
    )
  const [B, E, M, S] = states.map((_, at) => emission(5 + at)) as [
    Map<string, number>,
    Map<string, number>,
    Map<string, number>,
    Map<string, number>,
  ]
  const tables = {
    start: numbers(0),
    transition: { B: numbers(1), E: numbers(2), M: numbers(3), S: numbers(4) },
    emission: { B, E, M, S },
  }
  checkTables(tables, file)
  return tables
}

function checkTables(tables: HmmTables, file: string): void {
  const states = ['B', 'E', 'M', 'S'] as const
  const complete = states.every((state) => {
    const emission = tables.emission[state]
    return (
      Number.isFinite(tables.start[state]) &&
      emission.size > 1000 &&
      ![...emission.values()].some(Number.isNaN)
    )
  })
  if (!complete)
    throw dataError(
      file,
      'the tables of the four states B E M S are not complete',
      'Download the file again.',
    )
}
