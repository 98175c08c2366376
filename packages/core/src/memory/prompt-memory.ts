import { storedHeads, type CompressionPlan, type ModelFacts } from '@qpkv/spec'
import type { ModelConfig } from '../model/config.ts'
import type { NativeContextMemory, NativePromptMemory } from '../native/addon.ts'
import { promptBytes, scratchBytes, type Held } from './estimate.ts'

/** Tokens that a context may take without asking for more memory (native/engine/memory_ledger.h). */
const GROWTH_TOKENS = 512
/** Room is taken in pieces of up to an eighth of what is there. */
const PIECES = 9 / 8

interface Request {
  readonly tokens: number
  /** Tokens that the contexts will hold, as far as that is known. */
  readonly expected: number
  readonly caches: readonly { readonly plan: CompressionPlan; readonly bytes: number }[]
  readonly held: Held
  /** Bytes of an element that is stored exactly. */
  readonly elementBytes: number
  /** Bytes that there are beside the weights, if nothing else runs. */
  readonly available: number
}

/** Bytes that later tokens take at most: they come in exactly, whatever becomes of them. */
export const bytesPerToken = (plan: CompressionPlan, facts: ModelFacts, elementBytes: number): number =>
  Math.ceil(facts.layers * storedHeads(plan.heads, facts) * facts.headDim * 2 * elementBytes * PIECES)

/** What a context asks for that is not prefilled: its cache, and what it may grow by as far as that fits. */
export function contextMemory(
  { facts, precision }: { readonly facts: ModelFacts; readonly precision: string },
  plan: CompressionPlan,
  {
    cache,
    tokens,
    expected,
    available,
  }: { readonly cache: number } & Pick<Request, 'tokens' | 'expected' | 'available'>,
): NativeContextMemory {
  const perToken = bytesPerToken(plan, facts, precision === 'f32' ? 4 : 2)
  const room = Math.floor((available - cache) / perToken)
  return { cache, perToken, growthTokens: growth(tokens, expected, room) }
}

const growth = (tokens: number, expected: number, room: number) =>
  Math.max(0, Math.min(Math.max(GROWTH_TOKENS, expected - tokens), room))

/** What a prefill asks for before it starts. What its contexts may grow by is part of it, as far as that fits at all. */
export function promptMemory(
  config: ModelConfig,
  facts: ModelFacts,
  { tokens, expected, caches, held, elementBytes, available }: Request,
): NativePromptMemory {
  const scratch = scratchBytes(config, tokens, held)
  const work = promptBytes(config, tokens, held)
  const contexts = caches.map(({ plan, bytes }) => ({
    cache: bytes,
    perToken: bytesPerToken(plan, facts, elementBytes),
  }))
  const sum = (field: 'cache' | 'perToken') => contexts.reduce((total, context) => total + context[field], 0)
  const room = Math.floor((available - scratch - work - sum('cache')) / sum('perToken'))
  return {
    scratch,
    work,
    contexts: contexts.map((context) => ({ ...context, growthTokens: growth(tokens, expected, room) })),
  }
}
