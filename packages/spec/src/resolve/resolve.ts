import { KvError } from '../errors.ts'
import type { ModelFacts, PromptFacts } from '../facts.ts'
import type { AllocatedTokens } from '../method/allocator.ts'
import type { MethodRef } from '../method/method-ref.ts'
import type { Observed } from '../method/pruner.ts'
import type { Block, RoundTrip } from '../method/quantizer.ts'
import { findMethod, type Registry } from '../method/registry.ts'
import { roles, type Role } from '../method/roles.ts'
import { refuseUnknown } from '../options/refuse-unknown.ts'
import type { CompressionPlan } from '../plan/layer-plan.ts'
import { readBudget, type Budget } from '../spec/budget.ts'
import { checkSpec, type CompressionSpec, type SpecInput } from '../spec/compression-spec.ts'
import { budgetTooSmall, type Shortfall } from './budget-too-small.ts'
import { checkFacts } from './check-facts.ts'
import { makeDraft, type BoundMethods, type Draft } from './draft.ts'
import { clampTokens, leastOf, meanTokens } from './layer-tokens.ts'
import { makePlan, yields } from './make-plan.ts'
import { checkMeasured, measuringPlan } from './measuring-plan.ts'
import { refuseNotYet } from './not-yet.ts'
import type { StoragePrecision } from './resolve-storage.ts'
import { shareBudget } from './share-budget.ts'
import { spentShares, type SpentShares } from './spent-shares.ts'
import { fallbackWarnings, warningsOf, type KvWarning } from './warnings.ts'

/** TypeScript parts of the methods that the engine must call; empty for most. */
export interface Hooks {
  /** Replaces the scores of a layer, [heads, tokens]. */
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
  /** Layers that keep what their sliding window sees and are no part of a budget of tokens, see keepsItsWindow(). */
  readonly windowedLayers: readonly number[]
  /** How often the prompt passes through the model: twice where the allocator measures every layer first. */
  readonly promptPasses: 1 | 2
  /** What a spec asks for that has no effect. */
  readonly warnings: readonly KvWarning[]
  /**
   * Set where the allocator wants to measure and `measured` was not given: the plan above is then of equal shares, or what
   * the allocator says unseen. Run this one first; the scores of its stages are what `measured` takes.
   */
  readonly measuring?: CompressionPlan
}

/** What depends on the engine and not on the spec. */
export interface ResolveOptions {
  /** What 16 bit means: 'bf16' (default), 'f16', or 'f32', the float32 mode, in which metadata are f32 too and counted so. */
  readonly precision?: StoragePrecision
  /** What the plan `measuring` gave, per layer [scores, storedHeads, tokens]; of use to allocators that measure only. */
  readonly measured?: readonly Float32Array[]
}

/**
 * Joins a spec, methods, a model and a prompt to the plan that an engine runs. Pure. (1) the quantizer says how
 * layers are stored, then overrides of bits; (2) the budget becomes tokens at those bits; (3) overridden layers are
 * set and the allocator shares out the rest, clamped to the prompt; (4) pruner and sharing say what to keep. `registry` is
 * needed for methods given as plain JSON; values made by factories carry theirs. Throws KvError: KV_INVALID_SPEC,
 * KV_INVALID_OPTION, KV_UNKNOWN_METHOD, KV_CONTRACT, KV_CONFLICT, KV_BUDGET_TOO_SMALL, KV_UNSUPPORTED, KV_METHOD.
 */
export function resolve(
  input: SpecInput,
  registry: Registry | undefined,
  model: ModelFacts,
  prompt: PromptFacts,
  options: ResolveOptions = {},
): Resolved {
  refuseUnknown(options, ['precision', 'measured'], 'resolve()')
  checkFacts(model, prompt)
  const spec = checkSpec(input)
  const methods = bindMethods(spec, registry)
  const { measured } = options
  const draft = { ...makeDraft(spec, methods, model, prompt, options.precision ?? 'bf16'), measured }
  checkMeasured(measured, draft)
  const measuring = measured === undefined ? measuringPlan(draft) : undefined
  const allocated = allocateTokens(draft, spec.budget)
  if ('short' in allocated)
    throw budgetTooSmall(draft, allocated.short, (budget) => !('short' in allocateTokens(draft, budget)))
  const { asked, equal } = allocated
  const plan = makePlan(draft, asked)
  for (const [l, layer] of plan.layers.entries()) refuseNotYet(layer, `layer ${l}`)
  const tokens = asked.map((n, l) => clampTokens(n, draft.layers[l]!.candidates))
  const bytes = draft.layers.reduce((sum, layer, l) => sum + layer.bytes(tokens[l]!), 0)
  const spent = spentShares(draft, plan, bytes, tokens.map(meanTokens))
  refuseOverspending(draft, spent)
  const { score } = methods.pruner
  const { roundTrip } = methods.quantizer
  return {
    plan,
    bytes,
    ...spent,
    hooks: { ...(score && { score }), ...(roundTrip && { roundTrip }) },
    windowedLayers: draft.layers.flatMap(({ windowed, layer }) => (windowed ? [layer] : [])),
    promptPasses: methods.allocator.measure ? 2 : 1,
    warnings: [
      ...warningsOf(draft, plan),
      // Before anything is measured an allocator that measures has nothing to go by.
      ...(equal && measuring === undefined ? fallbackWarnings(draft) : []),
    ],
    ...(measuring && { measuring }),
  }
}

/** The methods of a spec; axes that it leaves out are those of the pruner's preset. */
export function bindMethods(spec: CompressionSpec, registry?: Registry): BoundMethods {
  const find = <R extends Role>(role: R, ref: MethodRef) => {
    const { method: _, ...given } = ref
    return { method: findMethod(role, ref, registry), given, slot: roles[role].slot }
  }
  const none = { method: 'none' }
  const pruner = find('pruner', spec.prune)
  const bound = pruner.method.bind(pruner.given, pruner.slot)
  const allocator = find('allocator', spec.allocate ?? bound.allocate ?? none)
  const sharing = find('sharing', spec.share ?? bound.share ?? none)
  const quantizer = find('quantizer', spec.quantize)
  return {
    pruner: bound,
    allocator: allocator.method.bind(allocator.given, allocator.slot),
    sharing: sharing.method.bind(sharing.given, sharing.slot),
    quantizer: quantizer.method.bind(quantizer.given, quantizer.slot),
    names: { pruner: pruner.method.name, allocator: allocator.method.name },
  }
}

type Allocated =
  { readonly asked: readonly AllocatedTokens[]; readonly equal: boolean } | { readonly short: Shortfall }

/** Steps 2 to 4 for one budget; `short` where it is too small. */
function allocateTokens(draft: Draft, budget: Budget | undefined): Allocated {
  const shares = shareBudget(draft, budget)
  if ('tooMuch' in shares) return { short: shares }
  for (const [l, layer] of draft.layers.entries()) {
    const tokens = leastOf(clampTokens(shares.asked[l]!, layer.candidates))
    const needed = yields(draft, layer) ? 1 : layer.least
    if (tokens < needed) return { short: { layer, tokens, needed } }
  }
  return shares
}

function refuseOverspending({ budget, methods }: Draft, { spentNominal }: SpentShares): void {
  if (spentNominal <= 1 + 1e-9 || methods.allocator.overspends || budget === undefined) return
  if (readBudget(budget).kind.measure === 'bytes') return
  throw new KvError(
    'KV_METHOD',
    `${methods.names.allocator}.allocate() spends ${(spentNominal * 100).toFixed(1)} % of the budget; only a profile that says so may exceed it.`,
  )
}
