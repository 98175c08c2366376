import { binaryShare, defineAllocator, oneOf, type Allocation, type LayerTokens } from '@qpkv/spec'

/** The same number of tokens in every layer, whatever its bits are. */
export const uniform = defineAllocator({
  name: 'uniform',
  paper: 'https://arxiv.org/abs/2404.14469',
  options: {
    count: oneOf(['exact', 'binary', 'dropped', 'dropped-per-layer'], {
      default: 'exact',
      doc: 'Of a share of the prompt. exact: rounded down. As released codes count, which may exceed the budget by a token: binary: int(N (1 - r)) in binary floating point, at least one; dropped, dropped-per-layer: what is dropped is rounded down, over all heads together or those of a layer.',
    }),
  },
  profiles: { kvpress: { count: 'binary' } },
  allocate: ({ count }, at) => {
    const { budget, layers } = at
    if (count !== 'exact' && budget && 'fraction' in budget) return released(count, budget.fraction, at)
    const free = layers.filter((layer) => !layer.fixed)
    const memory = free.reduce((sum, { capacity, cost }) => sum + capacity * cost, 0)
    const unit = free.reduce((sum, { cost }) => sum + cost, 0)
    const tokens = Math.floor(memory / Math.max(1, unit) + 1e-9)
    return layers.map((layer) => (layer.fixed ? layer.capacity : tokens))
  },
  overspends: ({ count }) => count !== 'exact',
  belowProtected: ({ count }) => count === 'binary',
})

function released(
  count: 'binary' | 'dropped' | 'dropped-per-layer',
  fraction: number,
  { prompt, storedHeads, layers }: Allocation,
): LayerTokens[] {
  const { tokens } = prompt
  if (count === 'binary') {
    const kept = Math.max(1, Math.trunc(tokens * binaryShare(fraction)))
    return layers.map((layer) => (layer.fixed ? layer.capacity : kept))
  }
  const dropped = 1 - binaryShare(fraction)
  const pool = count === 'dropped' ? layers.length * storedHeads : storedHeads
  const kept = pool * tokens - Math.trunc(pool * tokens * dropped)
  // What does not divide evenly goes to the first heads.
  const ofHead = (index: number) => Math.floor(kept / pool) + (index % pool < kept % pool ? 1 : 0)
  return layers.map((layer, l) =>
    layer.fixed
      ? layer.capacity
      : Array.from({ length: storedHeads }, (_, head) => ofHead(l * storedHeads + head)),
  )
}
