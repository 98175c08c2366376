/** What the process that reads inputs is told, as JSON in its first argument. */
export interface ChildOrder {
  readonly target: string
  /** Address of the module whose `targetsIn(folder)` has it. */
  readonly targets: string
  /** Folder of seed inputs. */
  readonly corpus: string
  readonly seed: number
  /** First iteration. */
  readonly from: number
  /** How long to read, in processor time from the first input on, so that a busy machine reads as much as an idle one. */
  readonly milliseconds: number
  /** For what the readers of files are given, and the progress file. */
  readonly folder: string
}

/** What it answers. The input of an iteration is not sent: it can be made again. */
export type ChildMessage =
  | { readonly kind: 'finding'; readonly iteration: number; readonly error: string }
  | { readonly kind: 'done'; readonly iteration: number }

/** Holds the iteration that is being read, as text; empty until the first one. */
export const PROGRESS_FILE = 'progress'
