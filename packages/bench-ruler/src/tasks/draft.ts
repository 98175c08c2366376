/** A sample before it is known to fit. */
export interface Draft {
  /** prompt with the answer prefix at its end */
  readonly text: string
  readonly answers: readonly string[]
  /** text in front of the prompt that the length counts apart from `text` (2024 variable tracking) */
  readonly counted?: number
}

/** Draws a sample with so many units of haystack; each call consumes random numbers. */
export type DraftMaker = (units: number, index: number) => Draft

/** Thrown by a maker for a draw that the original fails on too; the sample is drawn again, smaller if possible. */
export class FailedDraw extends Error {
  override readonly name = 'FailedDraw'
}
