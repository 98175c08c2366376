export type Choice = 'A' | 'B' | 'C' | 'D'

/**
 * The chosen letter in an answer to a LongBench v2 question (https://arxiv.org/abs/2412.15204), null where there is none:
 * asterisks deleted, then the first "The correct answer is (X)", else the first "The correct answer is X".
 */
export function extractAnswer(response: string): Choice | null {
  const text = response.replaceAll('*', '')
  const found = /The correct answer is \(([A-D])\)/.exec(text) ?? /The correct answer is ([A-D])/.exec(text)
  return (found?.[1] as Choice | undefined) ?? null
}

/** What kvpress counts as right instead: the right letter in either form anywhere in the answer, asterisks deleted. */
export function kvpressAccepts(response: string, letter: Choice): boolean {
  const text = response.replaceAll('*', '')
  return (
    text.includes(`The correct answer is (${letter})`) || text.includes(`The correct answer is ${letter}`)
  )
}
