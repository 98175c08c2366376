import { expected, finalPlan } from '@qpkv/spec'
import type { ContextParts } from './context-parts.ts'
import { kvError } from './errors.ts'

/** How much of a context is forked. */
export interface ForkOptions {
  /** Tokens of the text, from its beginning; default: all. */
  readonly tokens?: number
}

/** Whether every token of the text so far is stored, in order and as it came, so that the cache of its beginning is a part of it. */
export function keepsAll({ native, plan, keptPositions, simulatedBytes }: ContextParts): boolean {
  const exact = plan.layers.every(
    ({ segments, evict, keys }) =>
      evict === 'never' &&
      !keys.transform.startsWith('center') &&
      segments.length === 1 &&
      segments[0]?.key.bits === 16 &&
      segments[0].value.bits === 16,
  )
  return (
    exact &&
    simulatedBytes === undefined &&
    native.kept().every((heads) => heads.every((count) => count === native.tokens)) &&
    keptPositions.every((heads) => heads.every((kept) => kept.every((position, i) => position === i)))
  )
}

/** What a context of the first `tokens` tokens of the text is made of; its last one has yet to be fed. */
export interface FirstTokens {
  readonly parts: ContextParts
  readonly recentIds: readonly number[]
  readonly pending: number
}

/**
 * Shares the tiles of a text's beginning. The last of its tokens is left to be fed again, for nobody kept its logits.
 * @throws KV_INVALID_OPTION for no such number of tokens, KV_UNSUPPORTED where tokens were dropped or rounded.
 */
export function firstTokens(parts: ContextParts, tokens: number, recent: number): FirstTokens {
  const { native, spec, keptPositions } = parts
  if (!Number.isSafeInteger(tokens) || tokens < 2 || tokens > native.tokens)
    throw expected(`a whole number from 2 to ${native.tokens}`, 'tokens', tokens)
  if (!keepsAll(parts))
    throw kvError(
      'KV_UNSUPPORTED',
      'fork({ tokens }) needs a cache that holds every token exactly, but this one is compressed.',
      'Fork it whole, or prefill the text up to there.',
    )
  const stored = tokens - 1
  const promptTokens = Math.min(spec.plan.promptTokens, stored)
  const cut = keptPositions.map((heads) => heads.map((kept) => kept.subarray(0, promptTokens)))
  const kept = cut.map((heads) => heads.map(({ length }) => length))
  const plan = { ...spec.plan, promptTokens }
  const last = [...native.ids(tokens, recent + 1)]
  const pending = last.pop()!
  return {
    parts: {
      ...parts,
      native: native.fork(stored),
      spec: { ...spec, plan },
      plan: finalPlan(plan, kept),
      kept,
      keptPositions: cut,
      // Its end may be anywhere within a turn.
      prompt: { ids: parts.prompt.ids.slice(0, promptTokens), chat: false },
    },
    recentIds: last,
    pending,
  }
}
