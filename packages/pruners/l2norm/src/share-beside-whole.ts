import type { AllocationLayer } from '@qpkv/spec'

/**
 * Tokens per layer when the first `skip` layers keep the whole prompt: the others get equal
 * memory of what is left. No layer gets a token where the whole ones alone take more than there
 * is, so that the budget is refused as too small.
 */
export function shareBesideWhole(skip: number, layers: readonly AllocationLayer[]): number[] {
  const memory = (chosen: readonly AllocationLayer[], tokens: 'capacity' | 'candidates') =>
    chosen.reduce((sum, layer) => sum + layer[tokens] * layer.cost, 0)
  const free = layers.filter((layer) => !layer.fixed)
  const whole = layers.filter((layer, l) => !layer.fixed && l < skip)
  const left = memory(free, 'capacity') - memory(whole, 'candidates')
  const share = left / Math.max(1, free.length - whole.length)
  return layers.map(({ candidates, cost }, l) => {
    if (left < 0) return 0
    return l < skip ? candidates : Math.floor(share / cost)
  })
}
