import { budgetBytes } from '../spec/budget.ts'
import type { CompressionPlan } from '../layer-plan.ts'
import { nominalBytes, storedHeads } from '../plan/plan-bytes.ts'
import type { Desk } from './resolve-desk.ts'

/** How much of its budget a plan uses, by both accountings. */
export interface SpentShares {
  /** Nominal bytes: kept tokens at code width only, as the papers count. */
  readonly nominalBytes: number
  /**
   * Share of the budget used by nominal accounting (tokens for `tokens` and
   * `fraction`); without a budget, of the 16-bit full cache.
   */
  readonly spentNominal: number
  /**
   * Real bytes over what the budget stands for in bytes: itself, or its tokens at nominal
   * bits; without a budget, the 16-bit full cache.
   */
  readonly spentBytes: number
}

/** `bytes`: real bytes of the plan; `tokens` [layers]: kept per stored head. */
export function spentShares(
  desk: Desk,
  plan: CompressionPlan,
  bytes: number,
  tokens: readonly number[],
): SpentShares {
  const { model, prompt, budget, layers } = desk
  const nominal = nominalBytes(plan, model)
  // Bytes of one token of one layer at one bit per value, K and V.
  const unit = (storedHeads(plan.heads, model) * model.headDim * 2) / 8
  if (budget === undefined) {
    const full = prompt.tokens * layers.length * 16 * unit
    return { nominalBytes: nominal, spentNominal: nominal / full, spentBytes: bytes / full }
  }
  if ('bytes' in budget) {
    const allowed = budgetBytes(budget.bytes)
    return { nominalBytes: nominal, spentNominal: nominal / allowed, spentBytes: bytes / allowed }
  }
  if ('fp16Tokens' in budget) {
    const allowed = budget.fp16Tokens * layers.length * 16 * unit
    return { nominalBytes: nominal, spentNominal: nominal / allowed, spentBytes: bytes / allowed }
  }
  const perLayer = 'tokens' in budget ? budget.tokens : budget.fraction * prompt.tokens
  const allowed = layers.reduce((sum, layer) => sum + perLayer * layer.bits * unit, 0)
  const kept = tokens.reduce((sum, n) => sum + n, 0)
  return {
    nominalBytes: nominal,
    spentNominal: kept / (perLayer * layers.length),
    spentBytes: bytes / allowed,
  }
}
