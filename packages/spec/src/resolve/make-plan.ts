import type { AllocatedTokens } from '../method/allocator.ts'
import type { CompressionPlan, LayerPlan, Protection } from '../plan/layer-plan.ts'
import { tierCount } from '../plan/plan-bytes.ts'
import { apart } from './check-sharing.ts'
import type { Draft, LayerDraft } from './draft.ts'
import { allocatedSegments } from './allocated-segments.ts'
import { clampTokens, isTiered, leastOf, meanTokens, mostOf, tokensOf } from './layer-tokens.ts'
import { protectionAt } from './protect-tokens.ts'

/** The plan of a draft whose layers were asked to keep `asked` tokens per head; what is beyond the prompt is left out. */
export function makePlan(draft: Draft, asked: readonly AllocatedTokens[]): CompressionPlan {
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
    layers: draft.layers.map((layer, l) => layerPlan(layer, asked[l]!, yields(draft, layer))),
  }
}

/** Whether a released code's count holds in a layer even where it leaves fewer tokens than the pruner protects. */
export const yields = ({ methods }: Draft, { sharing, named }: LayerDraft): boolean =>
  methods.allocator.belowProtected && sharing.pool === 'head' && named.length === 0

/** The newest of the protected tokens, where no more are kept. */
function atMost(tokens: number, { first, last, ...others }: Protection): Protection {
  const newest = Math.min(last, tokens)
  return { first: Math.min(first, tokens - newest), last: newest, ...others }
}

function layerPlan(draft: LayerDraft, asked: AllocatedTokens, yielding: boolean): LayerPlan {
  const { storage, selection, candidates, named } = draft
  const { order, positions } = selection
  const allocated = clampTokens(asked, candidates)
  const tokens = tokensOf(allocated)
  const full = leastOf(tokens) >= candidates
  // Everything stays: nothing to look at. Originals reorder a prompt that just fills the capacity, not a shorter one.
  const tiers = tierCount(storage.segments) > 1
  const whole =
    !tiers && full && selection.evict === 'never' && (order === 'position' || leastOf(asked) > candidates)
  const listed = typeof tokens !== 'number' && (draft.sharing.pool !== 'model' || isTiered(allocated))
  const sharing = full || listed ? apart : draft.sharing
  // What is protected by a share of the kept tokens must fit into the shortest head.
  const common = isTiered(allocated) ? leastOf(tokens) : Math.floor(meanTokens(tokens))
  const { keys, values, residual, simulated } = storage
  const segments = allocatedSegments(storage.segments, allocated)
  const protect = protectionAt(selection.protect, common, candidates, named)
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
    protect: whole ? { first: 0, last: 0 } : yielding ? atMost(common, protect) : protect,
    ...(!whole && selection.whole !== undefined && { whole: selection.whole }),
    order: whole ? 'position' : order,
    evict:
      typeof selection.evict === 'string'
        ? selection.evict
        : { ...selection.evict, capacity: selection.evict.capacity ?? mostOf(asked) },
    positions,
  }
}
