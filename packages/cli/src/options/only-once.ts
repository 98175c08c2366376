import { InvalidArgumentError } from 'commander'

/**
 * Parser of an option without a default that may be given once: commander by itself
 * takes the last of several and drops the others.
 */
export function onlyOnce(value: string, earlier: string | undefined): string {
  if (earlier !== undefined) throw new InvalidArgumentError(`It was given before, as "${earlier}".`)
  return value
}
