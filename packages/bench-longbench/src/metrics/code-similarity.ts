import { pythonRound } from '@qpkv/bench-kit'
import { difflibRatio } from './difflib-ratio.ts'
import { firstCodeLine } from './first-line.ts'
import { indelRatio } from './indel-ratio.ts'

/**
 * What the official scorer compares with depends on the machine: `levenshtein` where python-Levenshtein is installed
 * (as QPruningKV and KVCache-Factory require), `difflib` where it is not (LongBench's own requirements).
 */
export type CodeMatcher = 'levenshtein' | 'difflib'

/** Code similarity of the first code line with the reference, 0..1 in steps of 0.01, ties of the step to even. */
export function codeSimilarity(
  prediction: string,
  reference: string,
  matcher: CodeMatcher = 'levenshtein',
): number {
  const line = firstCodeLine(prediction)
  if (line === reference) return 1
  const ratio = matcher === 'difflib' ? difflibRatio(line, reference) : indelRatio(line, reference)
  return pythonRound(100 * ratio) / 100
}
