import type { CompressionPlan } from '../plan/layer-plan.ts'
import { nominalBytes } from '../plan/plan-bytes.ts'
import { fullCache, readBudget } from '../spec/budget.ts'
import type { Draft } from './draft.ts'

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

/** `bytes`: real bytes of the plan; `tokens` [layers]: kept per stored head on average. */
export function spentShares(
  draft: Draft,
  plan: CompressionPlan,
  bytes: number,
  tokens: readonly number[],
): SpentShares {
  const { model, prompt, budget, storedHeads } = draft
  const nominal = nominalBytes(plan, model)
  // Bytes of one token of one layer at one bit per value, K and V.
  const unit = (storedHeads * model.headDim * 2) / 8
  const shares = (allowed: number, used = { nominal, bytes }) => ({
    nominalBytes: nominal,
    spentNominal: used.nominal / allowed,
    spentBytes: used.bytes / allowed,
  })
  if (budget === undefined) return shares(prompt.tokens * draft.layers.length * 16 * unit)
  const { kind, amount } = readBudget(budget)
  const perLayer = kind.amount(amount, fullCache(model, prompt.tokens))
  if (kind.measure === 'bytes') return shares(perLayer)
  // Layers that keep their windows are no part of the budget.
  const layers = draft.layers.filter((layer) => !layer.windowed)
  const counted = (_: unknown, layer: number) => !draft.layers[layer]?.windowed
  const used = {
    nominal: nominalBytes({ ...plan, layers: plan.layers.filter(counted) }, model),
    bytes: draft.layers.reduce(
      (left, layer) => (layer.windowed ? left - layer.bytes(layer.candidates) : left),
      bytes,
    ),
  }
  if (kind.measure === 'bits') return shares(perLayer * layers.length * unit, used)
  const allowed = layers.reduce((sum, layer) => sum + perLayer * layer.bits * unit, 0)
  const kept = tokens.filter(counted).reduce((sum, n) => sum + n, 0)
  return { ...shares(allowed, used), spentNominal: kept / (perLayer * layers.length) }
}
