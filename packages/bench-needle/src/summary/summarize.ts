import { specIdOf, summarizeSpec, type SampleRecord, type SpecSummary } from '@qpkv/bench-kit'
import type { NeedleRow } from '../world/rows.ts'

/** One row of the table: quality and cost over the samples of one length; the score is the share of right answers. */
export interface RowSummary extends SpecSummary {
  readonly row: NeedleRow
  readonly length: number
  /** Answers that were right, of all. */
  readonly right: number
  /** Per answer, in the order of texts and questions: for paired tests between rows. */
  readonly outcomes: readonly { readonly id: string; readonly right: boolean }[]
}

/** Rows with at least one record at this length, in the order of `rows`. Shares are of the full row's bytes where there is one, padding included. */
export function summarizeRows(
  records: readonly SampleRecord[],
  rows: readonly NeedleRow[],
  length: number,
): RowSummary[] {
  const summaries = rows.flatMap((row) => {
    const id = specIdOf(row.spec)
    const mine = records.filter((record) => record.spec === id && record.facets['length'] === length)
    return mine.length === 0 ? [] : [summarizeRow(row, id, length, mine)]
  })
  const full = summaries.find(({ row }) => row.kind === 'full')
  return full ? summaries.map((summary) => ({ ...summary, bytesFull: full.bytesPlanned })) : summaries
}

function summarizeRow(
  row: NeedleRow,
  id: string,
  length: number,
  records: readonly SampleRecord[],
): RowSummary {
  const outcomes = records.flatMap(({ sample, answers }) =>
    answers.map((answer) => ({ id: `${sample}/${answer.id}`, right: answer.scores['exact'] === 1 })),
  )
  return {
    ...summarizeSpec({ kind: 'spec', id, label: row.label, spec: row.spec }, records, 'exact'),
    row,
    length,
    right: outcomes.filter(({ right }) => right).length,
    outcomes,
  }
}
