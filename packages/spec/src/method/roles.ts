/** What a method can be, and where a spec holds it. */
export const roles = {
  pruner: { slot: 'prune', plural: 'pruners', a: 'a pruner', define: 'definePruner' },
  allocator: { slot: 'allocate', plural: 'allocators', a: 'an allocator', define: 'defineAllocator' },
  sharing: { slot: 'share', plural: 'sharings', a: 'a sharing', define: 'defineSharing' },
  quantizer: { slot: 'quantize', plural: 'quantizers', a: 'a quantizer', define: 'defineQuantizer' },
} as const

export type Role = keyof typeof roles
/** The field of a spec that holds a method of a role. */
export type Slot = (typeof roles)[Role]['slot']

export const roleNames = Object.keys(roles) as readonly Role[]
