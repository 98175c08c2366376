/** The score of one prediction file. */
export interface ScoredFile {
  readonly task: string
  /** Name of the method in the layouts that have one; `-` else. */
  readonly method: string
  readonly length?: number
  readonly file: string
  readonly rows: number
  /** 0 to 100, two digits. */
  readonly score: number
  /** `_e` files: by length. */
  readonly buckets?: Readonly<Record<string, number>>
  /** RULER: empty predictions of all. */
  readonly nulls?: string
}
