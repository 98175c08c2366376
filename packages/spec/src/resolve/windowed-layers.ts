import type { ModelFacts } from '../facts.ts'

/**
 * Whether a layer has a sliding window in a model whose other layers see everything (Gemma 2 and 3, some Qwen2). Such a layer
 * keeps what its window sees, stored as the quantizer says: no pruner chooses there, and budgets that count tokens or
 * their bits are about the other layers. A budget of bytes holds the whole cache, so these layers come off it first.
 * Where every layer has a window, as in Mistral, all are pruned. An override of `tokens` takes a layer out of the rule.
 */
export function keepsItsWindow({ slidingWindow }: ModelFacts, layer: number): boolean {
  const has = (window: number | null | undefined) => window !== null && window !== undefined && window > 0
  return has(slidingWindow?.[layer]) && slidingWindow?.some((window) => !has(window)) === true
}
