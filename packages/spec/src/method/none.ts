import { exactFormat } from '../plan/formats.ts'
import { defineAllocator } from './define-allocator.ts'
import { definePruner } from './define-pruner.ts'
import { defineQuantizer } from './define-quantizer.ts'
import { defineSharing } from './define-sharing.ts'

const facts = { name: 'none', paper: '', options: {} } as const

/** `none` of every role. */
export const noMethods = Object.freeze({
  /** Keeps every token. With a budget it works where everything fits, else KV_BUDGET_TOO_SMALL. */
  pruner: definePruner({
    ...facts,
    layer: (_, { candidates }) => ({ score: null, protect: { last: candidates } }),
  }),
  /** Equal shares, whatever a preset's allocator is. */
  allocator: defineAllocator({ ...facts, allocate: () => undefined }),
  /** Each head for itself, whatever a preset's sharing is. */
  sharing: defineSharing({ ...facts, share: () => ({ pool: 'head' }) }),
  /** Stores K and V exactly, in 16 bit. */
  quantizer: defineQuantizer({ ...facts, format: () => ({ key: exactFormat(), value: exactFormat() }) }),
})

/** The `none` of any role: the default of pruner and quantizer. */
export const none = () => ({ method: 'none' }) as const
