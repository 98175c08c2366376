import {
  closingTokens,
  defineAllocator,
  integer,
  number,
  type Allocation,
  type AllocationLayer,
} from '@qpkv/spec'
import { layerBudgets, preferenceOf, type LayerPreference } from './layer-budgets.ts'

/**
 * Layers share the budget by how widely their attention is spread and how much it changes over the last queries: the
 * allocation of CAKE. Qin et al., https://arxiv.org/abs/2503.12491
 */
export const layerPreference = defineAllocator({
  name: 'layer-preference',
  paper: 'https://arxiv.org/abs/2503.12491',
  options: {
    queries: integer({ default: 32, min: 2, max: 4096, doc: 'Last queries of the user turn that observe.' }),
    tau1: number({ default: 1.6, min: 0.01, max: 100, doc: 'The entropy counts to the power 1 / tau1.' }),
    tau2: number({ default: 0.4, min: 0.01, max: 100, doc: 'The variance counts to the power 1 / tau2.' }),
  },
  measure: ({ queries: window }, { prompt }) => {
    const closing = closingTokens(prompt)
    const queries = { last: window, before: closing > 0 ? 'user-end' : 'prompt-end' } as const
    const over = (reduce: 'entropy' | 'variance') =>
      ({ op: 'group', by: 'sum', of: [{ stat: 'attention', queries, reduce }] }) as const
    return { score: [over('entropy'), over('variance')], last: window + closing }
  },
  allocate: ({ queries: window, tau1, tau2 }, at) => {
    const free = at.layers.filter(({ fixed }) => !fixed)
    const spreads = free.map((layer) => spreadOf(layer, window, at))
    if (spreads.includes(undefined)) return undefined
    // In what the budget counts; a token of a layer that costs more takes more of it.
    const most = free.map(({ candidates, protected: kept, cost }) => Math.max(0, candidates - kept) * cost)
    const total = free.reduce(
      (sum, layer) => sum + Math.max(0, layer.capacity - layer.protected) * layer.cost,
      0,
    )
    const budgets = layerBudgets(
      spreads.map((spread) => preferenceOf(spread!, tau1, tau2)),
      Math.floor(total + 1e-9),
      most,
    )
    return at.layers.map((layer) =>
      layer.fixed
        ? Math.floor(layer.capacity)
        : Math.min(layer.protected, layer.capacity) + Math.floor(budgets[free.indexOf(layer)]! / layer.cost),
    )
  },
})

/** A budget of bytes is searched: the same measurements come many times. */
const known = new WeakMap<Float32Array, LayerPreference>()

/** Sums over all heads and the keys before the window. */
function spreadOf(
  { measured }: AllocationLayer,
  window: number,
  { prompt, storedHeads }: Allocation,
): LayerPreference | undefined {
  if (measured === undefined) return undefined
  const before = prompt.tokens - Math.min(prompt.tokens, window + closingTokens(prompt))
  const sum = (score: number) => {
    let all = 0
    for (let row = score * storedHeads; row < (score + 1) * storedHeads; row++)
      for (let t = 0; t < before; t++) all += measured[row * prompt.tokens + t]!
    return all
  }
  const spread = known.get(measured) ?? { entropy: sum(0), variance: (sum(1) * window) / (window - 1) }
  known.set(measured, spread)
  return spread
}
