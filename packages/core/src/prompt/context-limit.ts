import { kvError } from '../errors.ts'
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
function shortLimit({ ropes }: ModelConfig, expected: number): number | undefined {
  const ends = ropes.flatMap(({ long }) => (long && expected <= long.beyond ? [long.beyond] : []))
  return ends.length > 0 ? Math.min(...ends) : undefined
}

/** What prefill says of a prompt holds for what follows it: throws KV_PROMPT_TOO_LONG for `added` tokens too many. */
export function requireRoom(
  { model, expected, limit: own }: RoomFacts,
  added: number,
  present: number,
  { allowLongPrompt }: { readonly allowLongPrompt?: boolean },
): void {
  const limit = allowLongPrompt === undefined ? own : contextLimit(model.config, expected, allowLongPrompt)
  const tokens = present + added
  if (tokens > limit && limit === shortLimit(model.config, expected))
    throw kvError(
      'KV_PROMPT_TOO_LONG',
      `The context would have ${tokens} tokens with these ${added}; it began with the rotary factors for texts of at most ${limit}.`,
      `Prefill with { expectTokens: ${tokens} } or more: the factors for long texts are taken from the start then.`,
    )
  if (tokens > limit)
    throw kvError(
      'KV_PROMPT_TOO_LONG',
      `The context would have ${tokens} tokens with these ${added}; the model was made for ${limit}.`,
      'Append less, or allow it with { allowLongPrompt: true }.',
    )
}

interface RoomFacts {
  readonly model: { readonly config: ModelConfig }
  /** Tokens that the prefill was told to expect. */
  readonly expected: number
  /** Tokens at most, by the prefill. */
  readonly limit: number
}
