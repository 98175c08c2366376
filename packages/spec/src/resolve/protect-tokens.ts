import { expected } from '../errors.ts'
import type { PromptFacts } from '../facts.ts'
import type { ProtectionRule } from '../method/pruner.ts'
import type { Protection } from '../plan/layer-plan.ts'

/** Positions that a rule names or whose token it names, ascending, each once. Throws KV_METHOD for one beyond the prompt. */
export function namedPositions(rule: ProtectionRule, prompt: PromptFacts, layer: number): number[] {
  const ids = new Set(rule.tokenIds ?? [])
  const named = new Set(rule.positions ?? [])
  for (const position of named)
    if (position >= prompt.tokens)
      throw expected(
        `positions below ${prompt.tokens} (the prompt's tokens)`,
        `prune (layer ${layer}).protect.positions`,
        position,
        'KV_METHOD',
      )
  if (ids.size > 0) {
    const { tokenIds } = prompt
    if (tokenIds === undefined)
      throw expected(
        "the prompt's token ids",
        'prompt.tokenIds',
        tokenIds,
        'KV_CONFIG',
        'The pruner protects tokens by their ids.',
      )
    for (let t = 0; t < prompt.tokens; t++) if (ids.has(tokenIds[t]!)) named.add(t)
  }
  return [...named].sort((a, b) => a - b)
}

/** A rule where a head keeps `tokens` of `candidates`. */
export function protectionAt(
  rule: ProtectionRule,
  tokens: number,
  candidates: number,
  named: readonly number[],
): Protection {
  const { first = 0, last = 0 } = rule
  const others = named.length > 0 ? { positions: named } : {}
  if (first === 'rest')
    return {
      first: Math.max(0, tokens - (last as number)),
      last: Math.min(last as number, candidates),
      ...others,
    }
  const resolved =
    last === 'rest'
      ? Math.min(candidates, Math.max(1, tokens - first))
      : typeof last === 'number'
        ? last
        : Math.max(1, Math.floor((tokens - last.beside) * last.share)) + last.beside
  return { first, last: resolved, ...others }
}

/** How many of `promptTokens` a protection keeps among the last `candidates`. */
export function protectedTokens(
  { first, last, positions = [] }: Protection,
  promptTokens: number,
  candidates: number,
): number {
  const begin = promptTokens - candidates
  const others = positions.filter((t) => t >= begin && t >= first && t < promptTokens - last).length
  return Math.min(first + last, candidates) + others
}
