/** What prompt making needs of a tokenizer. */
export interface PromptTokenizer {
  /** Token ids; with `special: true` the tokenizer adds its begin-of-text token, if it has one. */
  encode(text: string, options: { special: boolean }): ArrayLike<number>
  /** Text of token ids; with `special: true` special tokens stand in it. */
  decode(ids: readonly number[], options: { special: boolean }): string
}

export interface TruncatedPrompt {
  text: string
  /** Tokens before truncation, special ones included. */
  promptTokens: number
  truncated: boolean
}

/**
 * LongBench's truncation: a prompt of more than `maxTokens` tokens (special ones counted) keeps its first and last
 * floor(maxTokens / 2) tokens; each half is decoded apart and the texts are joined. Tokenized again the result may be a
 * few tokens longer or shorter.
 */
export function truncateMiddle(text: string, maxTokens: number, tokenizer: PromptTokenizer): TruncatedPrompt {
  const ids = Array.from(tokenizer.encode(text, { special: true }))
  if (ids.length <= maxTokens) return { text, promptTokens: ids.length, truncated: false }
  const half = Math.floor(maxTokens / 2)
  const [first, last] = [ids.slice(0, half), ids.slice(ids.length - half)].map((part) =>
    tokenizer.decode(part, { special: false }),
  )
  return { text: `${first}${last}`, promptTokens: ids.length, truncated: true }
}

/**
 * LongBench v2's truncation: the first floor(maxTokens / 2) and last ceil(maxTokens / 2) ids are joined and decoded at once.
 */
export function truncateMiddleJoined(
  text: string,
  maxTokens: number,
  tokenizer: PromptTokenizer,
): TruncatedPrompt {
  const ids = Array.from(tokenizer.encode(text, { special: true }))
  if (ids.length <= maxTokens) return { text, promptTokens: ids.length, truncated: false }
  const kept = [
    ...ids.slice(0, Math.floor(maxTokens / 2)),
    ...ids.slice(ids.length - Math.ceil(maxTokens / 2)),
  ]
  return { text: tokenizer.decode(kept, { special: false }), promptTokens: ids.length, truncated: true }
}
