import { KvError } from '@qpkv/spec'
import type { Io } from '../io.ts'

/** Problems beyond these are counted, not listed: a wrong file has one per row. */
const LISTED = 10

/** Collects bad rows with what to do about them; with `strict` the first one is thrown. */
export function collectProblems(strict: boolean) {
  const problems: string[] = []
  const onBadRow = (error: Error): void => {
    if (strict) throw error
    const hint = KvError.isInstance(error) && error.hint !== undefined ? ` ${error.hint}` : ''
    problems.push(error.message + hint)
  }
  return { problems, onBadRow }
}

/** Says on stderr what was left out. */
export function printProblems(problems: readonly string[], io: Io): void {
  for (const problem of problems.slice(0, LISTED)) io.stderr.write(`left out: ${problem}\n`)
  const more = problems.length - LISTED
  if (more > 0) io.stderr.write(`left out: ${more} more; --strict stops at the first\n`)
}
