import type { ModelFacts, PromptFacts } from '../facts.ts'
import type { Budget } from '../spec/budget.ts'
import type { MethodFacts } from './method.ts'
import type { Protection } from '../plan/layer-plan.ts'
import type { ScoreNode } from '../plan/score.ts'
import type { ScoreInput } from './score-input.ts'

/** Tokens of a layer: one number for every stored head, or one per head. */
export type LayerTokens = number | readonly number[]

/** Tokens of a layer that the allocator has shared out among its heads, and among the tiers that a spec leaves to it. */
export interface TieredTokens {
  /** All tokens of each stored head, [storedHeads]. */
  readonly perHead: readonly number[]
  /** Packed tokens of each tier but the last, the widest first, [tiers - 1][storedHeads]. */
  readonly tiers: readonly (readonly number[])[]
}

/** What an allocator may say of a layer. */
export type AllocatedTokens = LayerTokens | TieredTokens

/** How a layer's heads are stored, for allocators that count bytes. */
export interface AllocationStorage {
  /** Nominal bits per value of each tier, the widest first; where tiers have shares of their own, and for one width, one. */
  readonly widths: readonly number[]
  /** Tokens of a head that lie in exact segments beside the packed ones, at most: the first and the newest kept ones. */
  readonly exact: number
  /** Real bytes of a head that keeps `tokens`; `tiers`: packed ones in each tier but the last. */
  readonly headBytes: (tokens: number, tiers: readonly number[]) => number
  /** Bytes of the layer that do not depend on tokens: means and tables. */
  readonly fixedBytes: number
}

/** One layer as an allocator sees it when it shares out the budget. */
export interface AllocationLayer {
  /** Nominal bits per stored value, mean of K and V. */
  readonly bits: number
  /**
   * What one of its tokens takes from the budget: 1, or `bits` where the budget is memory.
   * Their sum must not exceed that of the capacities.
   */
  readonly cost: number
  /** The layer's equal share of the budget in tokens per stored head; may exceed the prompt. */
  readonly capacity: number
  /** Prompt tokens that can be kept: all, or those that a sliding window still sees. */
  readonly candidates: number
  /** Tokens that the pruner keeps there whatever the budget is. */
  readonly protected: number
  /** Set by a layer override: the allocator's number for it is ignored. */
  readonly fixed: boolean
  /**
   * What the layer gave for `measure`, [scores, storedHeads, tokens]; undefined where nothing was measured, as in a dry run
   * or an estimate: return undefined then, which stands for equal shares.
   */
  readonly measured?: Float32Array
  /** Tokens that the pruner keeps wherever they score, as far as that is known before their number is. */
  readonly protects: Protection
  /** How its heads are stored, where they may keep different numbers of tokens; else left out. */
  readonly storage?: AllocationStorage
}

/** What an allocator wants to see of a layer before it shares out the budget. */
export interface Measure {
  /** [storedHeads, tokens], like the score of a selection; or up to four of them. */
  readonly score: ScoreInput | readonly ScoreInput[]
  /** Tokens at the end of the prompt that take no part in operations along the tokens; left out: 0. */
  readonly last?: number
}

/** What an allocator knows when it says what to measure. */
export interface MeasureContext {
  readonly model: ModelFacts
  readonly prompt: PromptFacts
  readonly layer: number
  /** What the pruner's tokens are worth, its first stage's score; left out where it has none. */
  readonly score?: ScoreNode
  /** Tokens that the pruner protects at the end of the prompt. */
  readonly last: number
}

/** What an allocator knows when it shares out the budget. */
export interface Allocation {
  readonly model: ModelFacts
  readonly prompt: PromptFacts
  readonly budget: Budget | undefined
  /** Of a budget of real bytes what is left for the layers that are not fixed. */
  readonly bytes?: number
  /** Heads of a layer that have their own list of tokens. */
  readonly storedHeads: number
  readonly layers: readonly AllocationLayer[]
}

/** An allocator with its options resolved. */
export interface BoundAllocator {
  /**
   * Tokens per stored head for every layer. Left out, or undefined: every layer's `capacity`, which for a budget of
   * real bytes is exact.
   */
  readonly allocate?: (at: Allocation) => readonly AllocatedTokens[] | undefined
  /**
   * Measured of every layer in a pass of its own before anything is compressed: the prompt is read twice. Undefined for a
   * layer of which nothing is to be measured.
   */
  readonly measure?: (at: MeasureContext) => Measure | undefined
  /** True for a profile of an original that keeps more than its budget. */
  readonly overspends: boolean
  /** True for a profile of an original that may keep fewer tokens than the pruner protects: the newest of them. */
  readonly belowProtected: boolean
  /** Whether it says how many tokens each tier of a head holds, see {@link TieredTokens}. */
  readonly countsTiers: boolean
}

/** An allocator as registries hold it, whatever its options. */
export interface AnyAllocator extends MethodFacts {
  readonly role: 'allocator'
  bind(options: unknown, path: string): BoundAllocator
}
