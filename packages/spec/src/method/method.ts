import type { Budget } from '../spec/budget.ts'
import type { ModelFacts, PromptFacts } from '../facts.ts'
import type { JsonObject } from '../json.ts'
import type { LayerPlan, Observation, Smoothing } from '../layer-plan.ts'
import type { OptionShape } from '../options/option-shape.ts'
import type { Bits, TensorFormat } from '../tensor-format.ts'

/** What every method says about itself. Methods are frozen values; they hold no state. */
export interface MethodFacts {
  /** Version of the contract between methods and `resolve`. */
  readonly contract: 1
  /** First-party short name, or the npm package name. */
  readonly name: string
  /** Link to the paper. */
  readonly paper: string
  readonly options: OptionShape
  /** Named sets of option defaults that do what an original's code does. */
  readonly profiles: { readonly [name: string]: JsonObject }
}

// ---- pruners --------------------------------------------------------------------------------------------------------

/** One layer as a pruner sees it when it shares out the budget. */
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
  /** Set by a layer override: the pruner's number for it is ignored. */
  readonly fixed: boolean
}

/** What a pruner knows when it shares out the budget. */
export interface Allocation {
  readonly model: ModelFacts
  readonly prompt: PromptFacts
  readonly budget: Budget | undefined
  readonly layers: readonly AllocationLayer[]
}

/** One layer when its tokens are settled. */
export interface SelectionContext {
  readonly model: ModelFacts
  readonly prompt: PromptFacts
  readonly layer: number
  /** Tokens per stored head that will be kept. */
  readonly tokens: number
  readonly candidates: number
}

/** Which tokens a layer keeps, as data that every backend runs natively. See LayerPlan for the fields. */
export interface Selection {
  readonly observe: Observation
  readonly smooth?: Smoothing
  readonly protect: { readonly first: number; readonly last: number }
  readonly prefer?: LayerPlan['prefer']
  readonly order?: LayerPlan['order']
  readonly evict?: LayerPlan['evict']
  readonly positions?: LayerPlan['positions']
  readonly pool?: LayerPlan['tokens']['pool']
  /** With a pool: the part, 0 to 1, of its equal share that a head keeps whatever its scores are; 0 if left out. */
  readonly floor?: number
  readonly weigh?: LayerPlan['tokens']['weigh']
  readonly rounding?: LayerPlan['tokens']['rounding']
}

/** Scores of one layer on their way through a TypeScript hook. */
export interface Observed {
  readonly layer: number
  readonly heads: number
  readonly tokens: number
  /** [heads, tokens], as measured natively, before smoothing. */
  readonly scores: Float32Array
}

/** A pruner with its options settled. */
export interface BoundPruner {
  /** Tokens per stored head for every layer; left out: every layer's `capacity`. */
  readonly allocate?: (at: Allocation) => readonly number[]
  readonly select: (at: SelectionContext) => Selection
  /** Escape hatch: replaces the observed scores, [heads, tokens]. */
  readonly score?: (observed: Observed) => Float32Array
  /** True for a profile of an original that keeps more than its budget. */
  readonly overspends: boolean
}

/** A pruner as registries hold it, whatever its options. */
export interface AnyPruner extends MethodFacts {
  readonly role: 'pruner'
  bind(options: unknown, path: string): BoundPruner
}

// ---- quantizers -----------------------------------------------------------------------------------------------------

/** How one layer is stored. */
export interface LayerStorage {
  readonly key: TensorFormat
  readonly value: TensorFormat
  /** The newest kept tokens that stay exact; 0 if left out. */
  readonly recent?: number
  /** The first kept tokens that stay exact; 0 if left out. */
  readonly sinks?: number
  readonly residual?: LayerPlan['residual']
  /** Code widths where `roundTrip` does the coding: the formats above are exact then and hold what reading back gives. */
  readonly simulated?: { readonly keyBits: Bits; readonly valueBits: Bits }
}

/** What a quantizer knows when it says how a layer is stored. */
export interface FormatContext {
  readonly layer: number
  readonly model: ModelFacts
  readonly heads: 'kv' | 'query'
  /** Bits that layer overrides ask for; `resolve` applies them afterwards where the method does not. */
  readonly keyBits?: Bits
  readonly valueBits?: Bits
}

/** K or V of one layer on its way through a TypeScript hook. */
export interface Block {
  readonly layer: number
  readonly tensor: 'key' | 'value'
  readonly heads: number
  readonly tokens: number
  readonly headDim: number
  /** [heads, tokens, headDim], the kept tokens in storage order. */
  readonly values: Float32Array
}

/** What a simulated storage makes of a block. */
export interface RoundTrip {
  /** [heads, tokens, headDim]: what reading back gives. */
  readonly values: Float32Array
  /** Bytes that the simulated storage takes for the block. */
  readonly bytes: number
}

/** A quantizer with its options settled. */
export interface BoundQuantizer {
  readonly format: (at: FormatContext) => LayerStorage
  /** Escape hatch: true quality and counted memory without a kernel; results are marked `simulated`. */
  readonly roundTrip?: (block: Block) => RoundTrip
  /** Bytes that `roundTrip` would count for K or V of a layer; needed beside it. */
  readonly roundTripBytes?: (shape: Omit<Block, 'values'>) => number
  /** Facts about the data it used, for reports: for instance a calibration's hash. */
  readonly notes: readonly string[]
  /** SHA-256 of the calibration in use. */
  readonly calibration?: string
}

/** A quantizer as registries hold it, whatever its options. */
export interface AnyQuantizer extends MethodFacts {
  readonly role: 'quantizer'
  bind(options: unknown, path: string): BoundQuantizer
}

/** Either role. */
export type AnyMethod = AnyPruner | AnyQuantizer
