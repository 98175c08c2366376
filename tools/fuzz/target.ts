/** Something that reads data from outside. */
export interface FuzzTarget {
  /** Reads one input; must end in time and throw nothing but KvErrors. */
  read(bytes: Uint8Array): void | Promise<void>
}

/** Targets by name; readers of files find them in `folder`. */
export type FuzzTargets = (folder: string) => Readonly<Record<string, FuzzTarget>>

/** Whether an error is one that a user may see. */
export function isExpected(cause: unknown): boolean {
  return (
    cause instanceof Error &&
    cause.name === 'KvError' &&
    cause.message.length > 0 &&
    cause.message.length < 5000
  )
}
