/** What a fuzzing worker is told. */
export interface WorkerOrder {
  readonly target: string
  /** Folder of seed inputs. */
  readonly corpus: string
  readonly seed: number
  /** First iteration. */
  readonly from: number
  /** Date.now() at which to stop. */
  readonly until: number
  /** [iteration: i32, bytes: i32, input: u8 …], written before every input. */
  readonly shared: SharedArrayBuffer
}

/** What it answers. */
export type WorkerMessage =
  | {
      readonly kind: 'finding'
      readonly iteration: number
      readonly error: string
      readonly bytes: Uint8Array
    }
  | { readonly kind: 'done'; readonly iteration: number }
