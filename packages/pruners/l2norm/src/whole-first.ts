import { defineAllocator, integer, oneOf } from '@qpkv/spec'
import { shareBesideWhole } from './share-beside-whole.ts'

/** The first layers keep the whole prompt; the others get equal shares of what is left, or of the whole budget. */
export const wholeFirst = defineAllocator({
  name: 'whole-first',
  paper: 'https://arxiv.org/abs/2406.11430',
  options: {
    layers: integer({ default: 2, min: 0, max: 4096, doc: 'First layers that keep the whole prompt.' }),
    whole: oneOf(['counted', 'free'], {
      default: 'counted',
      doc: 'counted: the other layers share what the whole ones leave of the budget. free: the budget is for the other layers only.',
    }),
  },
  allocate: ({ layers: first, whole }, { layers }) => {
    if (first === 0) return undefined
    if (whole === 'counted') return shareBesideWhole(first, layers)
    return layers.map(({ capacity, candidates }, l) =>
      l < first ? Math.max(capacity, candidates) : capacity,
    )
  },
  overspends: ({ layers, whole }) => layers > 0 && whole === 'free',
})
