import type { ModelConfig } from '../model/config.ts'

/**
 * Tokens that a context may grow to. Models with longrope turn positions by one list of factors in texts up to a length and
 * by another beyond; a cache holds keys of one kind, so a context that began with the first ends there.
 * @param expected tokens that its prefill was told to expect, at least those of the prompt.
 */
export function contextLimit(config: ModelConfig, expected: number, allowLong: boolean): number {
  return shortLimit(config, expected) ?? (allowLong ? Infinity : config.contextTokens)
}

/** Where a context with factors for short texts ends; undefined for any other. */
export function shortLimit({ ropes }: ModelConfig, expected: number): number | undefined {
  const ends = ropes.flatMap(({ long }) => (long && expected <= long.beyond ? [long.beyond] : []))
  return ends.length > 0 ? Math.min(...ends) : undefined
}
