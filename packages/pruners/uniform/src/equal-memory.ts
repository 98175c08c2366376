import { defineAllocator, readBudget } from '@qpkv/spec'

/** The same memory in every layer, so that one that is stored in fewer bits keeps more tokens. */
export const equalMemory = defineAllocator({
  name: 'equal-memory',
  paper: 'https://arxiv.org/abs/2412.12706',
  options: {},
  allocate: (_, { layers, budget }) => {
    // Of a budget of memory an equal share is that already, to the byte.
    if (budget === undefined || readBudget(budget).kind.measure !== 'tokens') return undefined
    const free = layers.filter((layer) => !layer.fixed)
    const tokens = free.reduce((sum, { capacity }) => sum + capacity, 0)
    const perBit = free.reduce((sum, { bits }) => sum + 1 / bits, 0)
    return layers.map(({ fixed, capacity, bits }) =>
      fixed ? capacity : Math.floor(tokens / perBit / bits + 1e-9),
    )
  },
})
