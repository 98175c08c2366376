import type { ModelFacts, PromptFacts } from '../facts.ts'
import type { Budget } from '../spec/budget.ts'
import type { MethodFacts } from './method.ts'
import type { ScoreInput } from './score-input.ts'

/** Tokens of a layer: one number for every stored head, or one per head. */
export type LayerTokens = number | readonly number[]

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
}

/** What an allocator knows when it shares out the budget. */
export interface Allocation {
  readonly model: ModelFacts
  readonly prompt: PromptFacts
  readonly budget: Budget | undefined
  /** Heads of a layer that have their own list of tokens. */
  readonly storedHeads: number
  readonly layers: readonly AllocationLayer[]
}

/** An allocator with its options settled. */
export interface BoundAllocator {
  /**
   * Tokens per stored head for every layer. Left out, or undefined: every layer's `capacity`, which for a budget of
   * real bytes is exact.
   */
  readonly allocate?: (at: Allocation) => readonly LayerTokens[] | undefined
  /** Measured of every layer in a pass of its own before anything is compressed: the prompt is read twice. */
  readonly measure?: (at: MeasureContext) => Measure
  /** True for a profile of an original that keeps more than its budget. */
  readonly overspends: boolean
}

/** An allocator as registries hold it, whatever its options. */
export interface AnyAllocator extends MethodFacts {
  readonly role: 'allocator'
  bind(options: unknown, path: string): BoundAllocator
}
