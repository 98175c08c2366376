import type { AllocatedTokens } from '../method/allocator.ts'
import type { SegmentPlan } from '../plan/layer-plan.ts'
import { isTiered } from './layer-tokens.ts'

/** Segments with the tokens of tiers that the allocator has counted. */
export function allocatedSegments(
  segments: readonly SegmentPlan[],
  tokens: AllocatedTokens,
): readonly SegmentPlan[] {
  if (!isTiered(tokens) || tokens.tiers.length === 0) return segments
  const counts = tokens.tiers.values()
  return segments.map((segment) =>
    isAllocated(segment) ? { ...segment, tokens: { counts: counts.next().value ?? [] } } : segment,
  )
}

/** Whether a segment is a tier whose tokens are left to the allocator. */
export const isAllocated = ({ tokens }: SegmentPlan): boolean =>
  typeof tokens === 'object' && 'counts' in tokens
