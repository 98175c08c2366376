import type { Budget } from '../spec/budget.ts'
import { budgetTooSmall, type Shortfall } from './budget-too-small.ts'
import { checkSpec, type SpecInput } from '../spec/compression-spec.ts'
import { KvError } from '../errors.ts'
import type { ModelFacts, PromptFacts } from '../facts.ts'
import type { StoragePrecision } from './layer-storage.ts'
import type { CompressionPlan, LayerPlan } from '../layer-plan.ts'
import type { Block, Observed, RoundTrip, Selection } from '../method/method.ts'
import { findPruner, findQuantizer, type Registry } from '../method/registry.ts'
import { checkFacts, makeDesk, selectLayer, type Desk, type LayerDesk } from './resolve-desk.ts'
import { shareBudget } from './share-budget.ts'
import { spentShares, type SpentShares } from './spent-shares.ts'

/** TypeScript parts of the methods that the engine must call; empty for most. */
export interface Hooks {
  /** Replaces the observed scores of a layer, [heads, tokens], before smoothing. */
  readonly score?: (observed: Observed) => Float32Array
  /** Codes and reads back K or V of a layer's kept tokens. Results are marked `simulated`. */
  readonly roundTrip?: (block: Block) => RoundTrip
}

/** A plan, what it takes, and how much of the budget that is. */
export interface Resolved extends SpentShares {
  readonly plan: CompressionPlan
  /** Real bytes of the cache at the end of prefill by the plan's upper bounds; simulated layers at their own storage's bytes. */
  readonly bytes: number
  readonly hooks: Hooks
}

/** What depends on the engine and not on the spec. */
export interface ResolveOptions {
  /** What 16 bit means: 'bf16' (default), 'f16', or 'f32', the float32 mode, in which metadata are f32 too and counted so. */
  readonly precision?: StoragePrecision
}

/**
 * Joins a spec, methods, a model and a prompt to the plan that an engine runs. Pure. (1) the quantizer says how
 * layers are stored, then overrides of bits; (2) the budget becomes tokens at those bits; (3) overridden layers are
 * set and the pruner shares out the rest, clamped to the prompt; (4) the pruner says what to keep. `registry` is
 * needed for methods given as plain JSON; values made by factories carry theirs. Throws KvError: KV_INVALID_SPEC,
 * KV_INVALID_OPTION, KV_UNKNOWN_METHOD, KV_CONFLICT, KV_BUDGET_TOO_SMALL, KV_UNSUPPORTED, KV_METHOD.
 */
export function resolve(
  input: SpecInput,
  registry: Registry | undefined,
  model: ModelFacts,
  prompt: PromptFacts,
  options: ResolveOptions = {},
): Resolved {
  checkFacts(model, prompt)
  const spec = checkSpec(input)
  const prunerMethod = findPruner(spec.prune, registry)
  const quantizerMethod = findQuantizer(spec.quantize, registry)
  const { method: _p, ...pruneOptions } = spec.prune
  const { method: _q, ...quantizeOptions } = spec.quantize
  const pruner = prunerMethod.bind(pruneOptions, 'prune')
  const quantizer = quantizerMethod.bind(quantizeOptions, 'quantize')
  const desk = makeDesk(
    { spec, pruner, prunerName: prunerMethod.name, quantizer, model, prompt },
    options.precision ?? 'bf16',
  )
  const settled = settleTokens(desk, desk.budget)
  if ('short' in settled)
    throw budgetTooSmall(desk, settled.short, (budget) => !('short' in settleTokens(desk, budget)))
  const { asked, tokens, selections } = settled
  const userEnd = prompt.userEnd ?? prompt.tokens
  const plan: CompressionPlan = {
    planVersion: 1,
    heads: spec.heads ?? 'kv',
    promptTokens: prompt.tokens,
    ...(userEnd < prompt.tokens && { userEnd }),
    ...(quantizer.calibration !== undefined && { calibration: quantizer.calibration }),
    ...(quantizer.notes.length > 0 && { notes: quantizer.notes }),
    layers: desk.layers.map((layer, l) => layerPlan(layer, asked[l]!, tokens[l]!, selections[l]!)),
  }
  const bytes = desk.layers.reduce((sum, layer, l) => sum + layer.bytes(tokens[l]!), 0)
  const spent = spentShares(desk, plan, bytes, tokens)
  if (spent.spentNominal > 1 + 1e-9 && !pruner.overspends && !('bytes' in (spec.budget ?? {})))
    throw new KvError(
      'KV_METHOD',
      `${prunerMethod.name}.allocate() spends ${(spent.spentNominal * 100).toFixed(1)} % of the budget; only a profile that says so may exceed it.`,
    )
  return {
    plan,
    bytes,
    ...spent,
    hooks: {
      ...(pruner.score && { score: pruner.score }),
      ...(quantizer.roundTrip && { roundTrip: quantizer.roundTrip }),
    },
  }
}

type Settled =
  | {
      readonly asked: readonly number[]
      readonly tokens: readonly number[]
      readonly selections: readonly Selection[]
    }
  | { readonly short: Shortfall }

/** Steps 2 to 4 for one budget; `short` where it is too small. */
function settleTokens(desk: Desk, budget: Budget | undefined): Settled {
  const shares = shareBudget(desk, budget)
  if ('tooMuch' in shares) return { short: shares }
  const { asked } = shares
  const tokens = desk.layers.map((layer, l) => Math.min(layer.candidates, asked[l]!))
  const selections: Selection[] = []
  for (const [l, layer] of desk.layers.entries()) {
    const result = selectLayer(desk, layer, tokens[l]!)
    if ('needed' in result) return { short: { layer, tokens: tokens[l]!, needed: result.needed } }
    selections.push(result.selection)
  }
  return { asked, tokens, selections }
}

function layerPlan(layer: LayerDesk, asked: number, tokens: number, selection: Selection): LayerPlan {
  const order = selection.order ?? 'position'
  const evict = selection.evict ?? 'never'
  // Everything stays: nothing to look at. Originals reorder a prompt that just fills the capacity, not a shorter one.
  const whole =
    tokens >= layer.candidates && evict === 'never' && (order === 'position' || asked > layer.candidates)
  const shared = tokens < layer.candidates && selection.pool !== 'head' ? selection.pool : undefined
  return {
    tokens: {
      perHead: tokens,
      ...(shared
        ? {
            pool: shared,
            floor: selection.floor ?? 0,
            ...(selection.weigh && { weigh: selection.weigh }),
            ...(selection.rounding && { rounding: selection.rounding }),
          }
        : { pool: 'head', floor: 0 }),
      ...(evict !== 'never' && asked > tokens && { capacity: asked }),
    },
    segments: layer.storage.segments,
    residual: layer.storage.residual,
    ...(layer.storage.simulated && { simulated: layer.storage.simulated }),
    observe: whole ? { what: 'nothing' } : selection.observe,
    ...(!whole && selection.smooth && { smooth: selection.smooth }),
    protect: whole ? { first: 0, last: 0 } : { first: selection.protect.first, last: selection.protect.last },
    prefer: whole ? 'highest' : (selection.prefer ?? 'highest'),
    order: whole ? 'position' : order,
    evict,
    positions: selection.positions ?? 'true',
  }
}
