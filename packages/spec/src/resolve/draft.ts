import { expected, KvError } from '../errors.ts'
import type { ModelFacts, PromptFacts } from '../facts.ts'
import type { BoundAllocator, LayerTokens } from '../method/allocator.ts'
import { noMethods } from '../method/none.ts'
import type { BoundPruner } from '../method/pruner.ts'
import type { BoundQuantizer } from '../method/quantizer.ts'
import type { BoundSharing } from '../method/sharing.ts'
import { mostBytes, nominalBits, storedHeads, tierCount } from '../plan/plan-bytes.ts'
import { readBudget, type Budget } from '../spec/budget.ts'
import type { CompressionSpec } from '../spec/compression-spec.ts'
import { overrideOf } from '../spec/layer-override.ts'
import { checkSelection, type CheckedSelection } from './check-selection.ts'
import { apart, checkSharing, type CheckedSharing } from './check-sharing.ts'
import { isAllocated } from './allocated-segments.ts'
import { bytesOf, type DraftBytes } from './draft-bytes.ts'
import { isTiered, meanTokens } from './layer-tokens.ts'
import { namedPositions, protectedTokens, protectionAt } from './protect-tokens.ts'
import {
  padExactSegments,
  resolveStorage,
  type ResolvedStorage,
  type StoragePrecision,
} from './resolve-storage.ts'
import { keepsItsWindow } from './windowed-layers.ts'

/** What a layer that keeps its window has in place of a pruner. */
const everything = noMethods.pruner.bind({}, 'prune')

/** One layer before its tokens are counted: all that its methods say without knowing how many there are. */
export interface LayerDraft extends DraftBytes {
  readonly layer: number
  readonly storage: ResolvedStorage
  readonly selection: CheckedSelection
  readonly sharing: CheckedSharing
  /** Positions that are protected by name. */
  readonly named: readonly number[]
  /** Nominal bits per value, mean of K and V. */
  readonly bits: number
  /** Prompt tokens that may be kept: all, or those that a sliding window still sees. */
  readonly candidates: number
  /** The least that a head must keep, whatever the budget is. */
  readonly least: number
  /** Whether the layer keeps what its window sees, whatever the budget is; see keepsItsWindow(). */
  readonly windowed: boolean
  /** Tokens that a layer override or the window asks for, and where that stands. */
  readonly fixed: { readonly tokens: LayerTokens; readonly path: string } | undefined
}

/** The methods of a spec with their options resolved. */
export interface BoundMethods {
  readonly pruner: BoundPruner
  readonly allocator: BoundAllocator
  readonly sharing: BoundSharing
  readonly quantizer: BoundQuantizer
  /** For messages. */
  readonly names: { readonly pruner: string; readonly allocator: string }
}

/** A spec on its way to a plan. */
export interface Draft {
  readonly spec: CompressionSpec
  readonly budget: Budget | undefined
  readonly methods: BoundMethods
  readonly model: ModelFacts
  readonly prompt: PromptFacts
  readonly storedHeads: number
  readonly layers: readonly LayerDraft[]
  /** What the allocator measured, per layer [scores, storedHeads, tokens]. */
  readonly measured?: readonly Float32Array[] | undefined
}

/** Steps 1 and, as far as it is static, 4 of resolve(): every method says what it says of each layer. */
export function makeDraft(
  spec: CompressionSpec,
  methods: BoundMethods,
  model: ModelFacts,
  prompt: PromptFacts,
  precision: StoragePrecision,
): Draft {
  for (const [i, { to }] of (spec.layers ?? []).entries())
    if (to !== undefined && to > model.layers)
      throw expected(`at most ${model.layers} (the model's layers)`, `layers[${i}].to`, to, 'KV_INVALID_SPEC')
  const heads = storedHeads(spec.heads ?? 'kv', model)
  const draft = { spec, budget: spec.budget, methods, model, prompt, storedHeads: heads }
  const layers = Array.from({ length: model.layers }, (_, layer) => draftLayer(draft, layer, precision))
  return { ...draft, layers: withPooledBytes(layers) }
}

/** Where layers share slots, each counts as if it took the most that any of them takes. */
function withPooledBytes(layers: readonly LayerDraft[]): readonly LayerDraft[] {
  const pooled = layers.filter(({ sharing }) => sharing.pool === 'model')
  if (pooled.length === 0) return layers
  const all = pooled.map(({ atMost }) => atMost)
  return layers.map((layer) =>
    layer.sharing.pool !== 'model'
      ? layer
      : {
          ...layer,
          bytes: (tokens) =>
            isTiered(tokens) || (typeof tokens === 'number' && tokens >= layer.candidates)
              ? layer.bytes(tokens)
              : mostBytes(all, meanTokens(tokens)) + layer.tables,
          bytesKey: `${layer.tables} ${layer.candidates} in the pool`,
        },
  )
}

function draftLayer(
  { spec, budget, methods, model, prompt, storedHeads: heads }: Omit<Draft, 'layers'>,
  layer: number,
  precision: StoragePrecision,
): LayerDraft {
  const { pruner, allocator, quantizer, sharing: sharer, names } = methods
  const override = overrideOf(spec.layers ?? [], layer)
  const window = model.slidingWindow?.[layer]
  const candidates = Math.min(prompt.tokens, window && window > 0 ? window : prompt.tokens)
  const at = { layer, model, heads: spec.heads ?? 'kv', override, tiers: spec.tiers } as const
  const asked = resolveStorage(quantizer, at, precision)
  const resolved = budget && readBudget(budget).kind.measure === 'bytes' ? padExactSegments(asked) : asked
  const windowed = override.tokens === undefined && keepsItsWindow(model, layer)
  const chooser = windowed ? everything : pruner
  const selection = checkSelection(chooser.layer({ model, prompt, layer, candidates }), layer)
  const sharing = windowed ? apart : checkSharing(sharer.share({ model, layer }), selection, layer)
  if (chooser.score && selection.stages.length !== 1)
    throw new KvError(
      'KV_METHOD',
      `${names.pruner} has a score() but its layer() asks for ${selection.stages.length} scores (layer ${layer}); it replaces one.`,
      { hint: 'Name a statistic in `score` of what layer() returns, such as { stat: "key-norm" }.' },
    )
  if (sharing.pool !== 'head' && resolved.simulated)
    throw new KvError(
      'KV_CONFLICT',
      `The heads of a layer share slots and keep different numbers of tokens; a simulated quantizer needs equally many.`,
      { hint: 'Choose share=none, or a storage of the quantizer that is not simulated.' },
    )
  refuseTiers(resolved, selection, window, layer)
  refuseMeasuring(selection, spec.heads ?? 'kv', window, layer)
  if (resolved.segments.some(isAllocated) && !allocator.countsTiers)
    throw new KvError(
      'KV_CONFLICT',
      `tiers: ${names.allocator} does not say how many tokens each tier holds.`,
      {
        hint: 'Give the shares, such as #tiers=8:0.1,4:0.3,2, or choose an allocator that does: rate-distortion.',
      },
    )
  const storage = selection.positions === 'cache' ? storedBeforeRope(resolved) : resolved
  const named = namedPositions(selection.protect, prompt, layer)
  return {
    layer,
    storage,
    selection,
    sharing,
    named,
    bits: nominalBits(storage),
    candidates,
    least: leastTokens(selection, prompt.tokens, candidates, named),
    windowed,
    fixed: windowed ? { tokens: candidates, path: 'the sliding window' } : fixedTokens(override, heads),
    ...bytesOf({ storage, selection, sharing, quantizer, layer, candidates, heads, headDim: model.headDim }),
  }
}

/** Tiers are assigned by score, and their tokens do not lie in the order of positions. */
function refuseTiers(
  { segments }: ResolvedStorage,
  { stages, order }: CheckedSelection,
  window: number | null | undefined,
  layer: number,
): void {
  if (tierCount(segments) < 2) return
  const refuse = (what: string, hint: string) =>
    new KvError('KV_CONFLICT', `Tiers are assigned by score, and ${what} (layer ${layer}).`, { hint })
  if (window !== undefined && window !== null && window > 0)
    throw refuse('under a sliding window tokens lie by position', 'Leave the tiers out for this model.')
  if (stages.length === 0) throw refuse('the pruner has none', 'Choose one that scores, such as keydiff.')
  if (order === 'score')
    throw refuse("the pruner's order 'score' stores all of them so", 'Leave its profile out.')
}

/** Scores that are measured anew in decode are those of KV heads that see all they hold. */
function refuseMeasuring(
  { evict }: CheckedSelection,
  heads: 'kv' | 'query',
  window: number | null | undefined,
  layer: number,
): void {
  if (typeof evict !== 'object' || evict.measure === undefined) return
  const refuse = (what: string) =>
    new KvError(
      'KV_CONFLICT',
      `The pruner measures scores again in decode, which no engine does ${what} (layer ${layer}).`,
      { hint: 'Leave eviction in decode out, such as with decode=keep.' },
    )
  if (heads === 'query') throw refuse('for lists per query head')
  if (window !== undefined && window !== null && window > 0) throw refuse('under a sliding window')
}

/** Cache-relative positions: keys are stored before RoPE and rotated when they are read. */
const storedBeforeRope = (storage: ResolvedStorage): ResolvedStorage => ({
  ...storage,
  keys: { ...storage.keys, rope: 'before' },
})

function fixedTokens(
  { tokens, path = 'layers' }: ReturnType<typeof overrideOf>,
  heads: number,
): LayerDraft['fixed'] {
  if (tokens === undefined) return undefined
  if (typeof tokens !== 'number' && tokens.length !== heads)
    throw expected(`${heads} numbers, one per stored head,`, path, tokens, 'KV_INVALID_SPEC')
  return { tokens, path }
}

/** The fewest tokens of a head that hold its protected ones. */
function leastTokens(
  { protect }: CheckedSelection,
  promptTokens: number,
  candidates: number,
  named: readonly number[],
): number {
  const { first = 0, last = 0 } = protect
  const fixed =
    (typeof first === 'number' ? first : 0) +
    (typeof last === 'object' ? last.beside : typeof last === 'number' ? last : 0)
  let tokens = Math.max(1, Math.min(fixed, candidates))
  const needed = () =>
    protectedTokens(protectionAt(protect, tokens, candidates, named), promptTokens, candidates)
  while (tokens < candidates && needed() > tokens) tokens++
  return tokens
}
