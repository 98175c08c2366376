import type { Work } from './work.ts'

/** Tokens as completions tell them. */
export const usageOf = ({ replies, tokens }: Work) => ({
  prompt_tokens: replies.promptTokens,
  completion_tokens: tokens,
  total_tokens: replies.promptTokens + tokens,
  prompt_tokens_details: { cached_tokens: replies.cachedTokens },
})

export const now = () => Math.floor(Date.now() / 1000)
