import {
  designEffect,
  mean,
  specIdOf,
  wilsonInterval,
  type Interval,
  type SampleRecord,
} from '@qpkv/bench-kit'
import type { NeedleRow } from '../world/rows.ts'

/** One row of the table: quality and cost over the samples of one length. */
export interface RowSummary {
  readonly row: NeedleRow
  readonly length: number
  /** Answers that were right, of all. */
  readonly right: number
  readonly answers: number
  readonly texts: number
  readonly accuracy: number
  /** Wilson's 95 % interval, widened by the design effect where a text has several questions. */
  readonly interval: Interval
  /** Means over texts. */
  readonly tokensKept: number
  readonly bitsNominal: number
  readonly bitsTrue: number
  readonly bytesPlanned: number
  readonly bytesAllocated: number
  /** The same prompts uncompressed in 16 bit: the full row's bytes where there is one, padding included. */
  readonly bytesFull: number
  readonly decodeTokensPerSecond: number
  /** Per answer, in the order of texts and questions: for paired tests between rows. */
  readonly outcomes: readonly { readonly id: string; readonly right: boolean }[]
}

/** Rows with at least one record at this length, in the order of `rows`. */
export function summarizeRows(
  records: readonly SampleRecord[],
  rows: readonly NeedleRow[],
  length: number,
): RowSummary[] {
  const summaries = rows.flatMap((row) => {
    const id = specIdOf(row.spec)
    const mine = records.filter((record) => record.spec === id && record.facets['length'] === length)
    return mine.length === 0 ? [] : [summarizeRow(row, length, mine)]
  })
  const full = summaries.find(({ row }) => row.kind === 'full')
  return full ? summaries.map((summary) => ({ ...summary, bytesFull: full.bytesPlanned })) : summaries
}

function summarizeRow(row: NeedleRow, length: number, records: readonly SampleRecord[]): RowSummary {
  const outcomes = records.flatMap(({ sample, answers }) =>
    answers.map((answer) => ({ id: `${sample}/${answer.id}`, right: answer.scores['exact'] === 1 })),
  )
  const right = outcomes.filter((outcome) => outcome.right).length
  const effect = designEffect(records.map(({ answers }) => answers.map(({ scores }) => scores['exact'] ?? 0)))
  const of = (value: (record: SampleRecord) => number) => mean(records.map(value))
  const decodeMs = of(({ timings }) => timings.decodeMs)
  return {
    row,
    length,
    right,
    answers: outcomes.length,
    texts: records.length,
    accuracy: outcomes.length === 0 ? 0 : right / outcomes.length,
    interval: wilsonInterval(right / effect, outcomes.length / effect),
    tokensKept: of(({ tokensKept }) => tokensKept),
    bitsNominal: of(({ bits }) => bits?.nominal ?? 16),
    bitsTrue: of(({ bits }) => bits?.true ?? 16),
    bytesPlanned: of(({ bytes }) => bytes.planned),
    bytesAllocated: of(({ bytes }) => bytes.allocated),
    bytesFull: of(({ bytes }) => bytes.full),
    decodeTokensPerSecond: decodeMs > 0 ? (of(({ timings }) => timings.decodeTokens) * 1000) / decodeMs : 0,
    outcomes,
  }
}
