import type { DraftMaker } from './draft.ts'

/** A task ready to draw samples: its size is found, its random streams stand where the originals' do. */
export interface TaskRun {
  readonly make: DraftMaker
  /** units of haystack a sample starts with */
  readonly size: number
  readonly increment: number
  /** length in tokens of a drawn text, answer included */
  readonly lengthOf: (text: string) => number
  /** whether a sample that does not fit is drawn again smaller */
  readonly retreat: boolean
  /** added to the text after it was counted and accepted (the example of 2024 variable tracking) */
  readonly finish?: (text: string) => string
}
