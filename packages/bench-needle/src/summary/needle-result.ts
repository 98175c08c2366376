import type { SampleRecord } from '@qpkv/bench-kit'
import type { NeedleProtocol } from '@qpkv/reference-model'
import type { NeedleRow } from '../world/rows.ts'

/** What pictures and tables need to know of a run in texts of the bundled world. */
export interface NeedleTask {
  readonly protocol: NeedleProtocol
  readonly seed: number
  /** Tokens of the whole text, question and answer included. */
  readonly lengths: readonly number[]
  /** Numbers hidden in every text. */
  readonly keys: number
  /** Questions per text. */
  readonly questions: number
  /** Where asked numbers lie, per cent of the text, in turn. */
  readonly depths: readonly number[]
}

/** The records of one protocol under its rows. */
export interface NeedleResult {
  readonly task: NeedleTask
  readonly rows: readonly NeedleRow[]
  readonly records: readonly SampleRecord[]
}
