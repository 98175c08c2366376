import { defineAllocator } from '@qpkv/spec'

/** The same number of tokens in every layer, whatever its bits are. */
export const uniform = defineAllocator({
  name: 'uniform',
  paper: 'https://arxiv.org/abs/2404.14469',
  options: {},
  allocate: (_, { layers }) => {
    const free = layers.filter((layer) => !layer.fixed)
    const budget = free.reduce((sum, { capacity, cost }) => sum + capacity * cost, 0)
    const unit = free.reduce((sum, { cost }) => sum + cost, 0)
    const tokens = Math.floor(budget / Math.max(1, unit) + 1e-9)
    return layers.map((layer) => (layer.fixed ? layer.capacity : tokens))
  },
})
