import { pythonSplit } from '@qpkv/bench-kit'

/** The answer that the plotting script of QPruningKV and KVCache-Factory has built in. */
export const NEEDLE_ANSWER = 'eat a sandwich and sit in Dolores Park on a sunny day.'

/**
 * The value that the heat map shows, 0 to 1: how many of the distinct words of the expected answer occur among the
 * words of the model's answer. Words are lower-case pieces between white space, so "day." needs its dot.
 */
export function wordOverlap(answer: string, expectedAnswer: string = NEEDLE_ANSWER): number {
  const wanted = new Set(pythonSplit(expectedAnswer.toLowerCase()))
  const given = new Set(pythonSplit(answer.toLowerCase()))
  if (wanted.size === 0) return 0
  return [...wanted].filter((word) => given.has(word)).length / wanted.size
}
