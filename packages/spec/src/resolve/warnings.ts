import type { KvErrorCode } from '../errors.ts'
import type { CompressionPlan } from '../plan/layer-plan.ts'
import type { Draft } from './draft.ts'

/** Something that is allowed and probably not meant. */
export interface KvWarning {
  readonly code: KvErrorCode
  readonly message: string
}

/** A pruner that keeps every token, and drops none later, has nothing to do. */
export function warningsOf({ budget, methods, layers }: Draft, plan: CompressionPlan): readonly KvWarning[] {
  const prunes = layers.some(
    ({ selection }) =>
      selection.stages.length > 0 || selection.protect.last === 'rest' || selection.protect.first === 'rest',
  )
  if (budget !== undefined || !prunes || layers.some(({ fixed }) => fixed)) return []
  if (plan.layers.some(({ evict }) => evict !== 'never')) return []
  return [
    {
      code: 'KV_NO_BUDGET',
      message: `${methods.names.pruner} keeps every token, as there is no budget. Say how many: 128t, 25%, 128KiB or 2%B.`,
    },
  ]
}

/** An allocator that measures and was left without anything to go by: what it cannot do is not to look as if it had been done. */
export function fallbackWarnings({ budget, methods, layers, measured }: Draft): readonly KvWarning[] {
  if (!methods.allocator.measure || budget === undefined) return []
  const free = layers.filter(({ fixed }) => !fixed)
  const unscored = measured === undefined || free.every(({ layer }) => measured[layer]!.length === 0)
  const why = unscored
    ? `${methods.names.pruner} scores nothing`
    : free.some(({ heads }) => heads === undefined)
      ? 'heads cannot keep numbers of tokens of their own beside eviction in decode, positions in the cache or a simulated quantizer'
      : 'the budget holds no more than the exact tokens'
  return [
    {
      code: 'KV_EQUAL_SHARES',
      message: `${methods.names.allocator} gives all layers equal shares here: ${why}.`,
    },
  ]
}
