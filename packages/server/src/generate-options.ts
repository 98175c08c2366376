import type { ReplyRequest } from '@qpkv/chat'
import type { CompletionBody, ChatBody } from './body.ts'

type Shared = Omit<Partial<ChatBody & CompletionBody>, 'logprobs' | 'messages' | 'prompt'>

/** Fields of both kinds of completions as options of generate; what is left out is the model's own. */
export function generateOptions(body: Shared, maxTokens: number): NonNullable<ReplyRequest['generate']> {
  const given = {
    temperature: body.temperature,
    topP: body.top_p === 0 ? 1 : body.top_p,
    topK: body.top_p === 0 ? 1 : body.top_k,
    minP: body.min_p,
    repetitionPenalty: body.repetition_penalty,
    presencePenalty: body.presence_penalty,
    frequencyPenalty: body.frequency_penalty,
    logitBias: body.logit_bias,
    seed: body.seed === null || body.seed === undefined ? undefined : Math.abs(body.seed),
    stop: typeof body.stop === 'string' ? [body.stop].filter(Boolean) : body.stop?.filter(Boolean),
    maxTokens: Math.min(body.max_tokens ?? maxTokens, maxTokens),
  }
  return Object.fromEntries(
    Object.entries(given).filter(([, value]) => value !== undefined && value !== null),
  )
}
