import type { LayerTokens } from '../method/allocator.ts'
import type { CompressionPlan, LayerPlan } from '../plan/layer-plan.ts'
import { tierCount } from '../plan/plan-bytes.ts'
import { apart } from './check-sharing.ts'
import type { Draft, LayerDraft } from './draft.ts'
import { clampTokens, leastOf, meanTokens, mostOf } from './layer-tokens.ts'
import { protectionAt } from './protect-tokens.ts'

/** The plan of a draft whose layers were asked to keep `asked` tokens per head; what is beyond the prompt is left out. */
export function makePlan(draft: Draft, asked: readonly LayerTokens[]): CompressionPlan {
  const { spec, prompt, methods } = draft
  const { calibration, notes } = methods.quantizer
  const userEnd = prompt.userEnd ?? prompt.tokens
  return {
    planVersion: 2,
    heads: spec.heads ?? 'kv',
    promptTokens: prompt.tokens,
    ...(userEnd < prompt.tokens && { userEnd }),
    ...(calibration !== undefined && { calibration }),
    ...(notes.length > 0 && { notes }),
    layers: draft.layers.map((layer, l) => layerPlan(layer, asked[l]!)),
  }
}

function layerPlan(draft: LayerDraft, asked: LayerTokens): LayerPlan {
  const { storage, selection, candidates, named } = draft
  const { order, positions } = selection
  const tokens = clampTokens(asked, candidates)
  const full = leastOf(tokens) >= candidates
  // Everything stays: nothing to look at. Originals reorder a prompt that just fills the capacity, not a shorter one.
  const tiers = tierCount(storage.segments) > 1
  const whole =
    !tiers && full && selection.evict === 'never' && (order === 'position' || leastOf(asked) > candidates)
  const listed = typeof tokens !== 'number' && draft.sharing.pool !== 'model'
  const sharing = full || listed ? apart : draft.sharing
  const { keys, values, segments, residual, simulated } = storage
  return {
    tokens: {
      perHead: tokens,
      ...sharing,
      ...(selection.evict === 'fifo' && mostOf(asked) > mostOf(tokens) && { capacity: mostOf(asked) }),
    },
    ...(simulated && { simulated }),
    keys,
    values,
    segments,
    residual,
    stages: whole ? [] : selection.stages,
    protect: whole
      ? { first: 0, last: 0 }
      : protectionAt(selection.protect, Math.floor(meanTokens(tokens)), candidates, named),
    ...(!whole && selection.whole !== undefined && { whole: selection.whole }),
    order: whole ? 'position' : order,
    evict:
      typeof selection.evict === 'string'
        ? selection.evict
        : { ...selection.evict, capacity: selection.evict.capacity ?? mostOf(asked) },
    positions,
  }
}
