import { digitRuns } from '../python/digits.ts'

/** Share of the numbers in the prediction that equal the reference *as strings* ("05" is not "5"), 0..1. */
export function countScore(prediction: string, reference: string): number {
  const numbers = digitRuns(prediction)
  if (numbers.length === 0) return 0
  return numbers.filter((number) => number === reference).length / numbers.length
}
