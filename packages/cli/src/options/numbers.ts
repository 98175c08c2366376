import { InvalidArgumentError } from 'commander'

const check =
  (what: string, valid: (value: number) => boolean) =>
  (text: string): number => {
    const value = text.trim() === '' ? NaN : Number(text)
    if (!valid(value)) throw new InvalidArgumentError(`Expected ${what}.`)
    return value
  }

/** Parsers of option values for commander. */
export const wholeNumber = (min: number) =>
  check(`a whole number of at least ${min}`, (value) => Number.isSafeInteger(value) && value >= min)
export const numberFrom = (min: number, max: number) =>
  check(`a number from ${min} to ${max}`, (value) => value >= min && value <= max)

/** `512,1024,2048` */
export const wholeNumbers =
  (min: number) =>
  (text: string): number[] =>
    text.split(',').map(wholeNumber(min))

/** `a,b,c` */
export const words = (text: string): string[] => {
  const list = text.split(',').map((word) => word.trim())
  if (list.some((word) => word === '')) throw new InvalidArgumentError('Expected names with commas between.')
  return list
}
