import type { DatasetFacts } from '../data/datasets.ts'
import type { LongBenchRow } from '../data/row.ts'

/** A row, its dataset, and where it was read. */
export interface LongBenchInput {
  readonly row: LongBenchRow
  readonly dataset: DatasetFacts
  /** From the `_e` file. */
  readonly even: boolean
  /** `file:line`, for messages. */
  readonly place: string
}
