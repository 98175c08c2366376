import type { ModelFacts, PromptFacts } from '../facts.ts'
import type { LayerPlan } from '../plan/layer-plan.ts'
import type { MethodFacts } from './method.ts'
import type { MethodRef } from './method-ref.ts'
import type { ScoreInput } from './score-input.ts'

/** What a pruner knows of a layer. How many tokens it will keep is decided later, and is not its business. */
export interface LayerContext {
  readonly model: ModelFacts
  readonly prompt: PromptFacts
  readonly layer: number
  /** Prompt tokens that may be kept: all, or those that a sliding window still sees. */
  readonly candidates: number
}

/** Tokens that are always kept. */
export interface ProtectionRule {
  /** The first ones of the prompt; `rest`: as many as the last ones leave. Left out: none. */
  readonly first?: number | 'rest'
  /**
   * The last ones of the prompt; `rest`: as many as the first ones leave, at least one; a share of the tokens that are
   * kept, rounded down, at least one, where `beside` more are kept apart. Left out: none.
   */
  readonly last?: number | 'rest' | LastShare
  /** Others, by position in the prompt. */
  readonly positions?: readonly number[]
  /** Others, wherever one of these tokens stands in the prompt. */
  readonly tokenIds?: readonly number[]
}

/** See {@link ProtectionRule}. */
export interface LastShare {
  readonly share: number
  readonly beside: number
}

/** A stage as a pruner writes it, see {@link LayerPlan}. */
export interface StageInput {
  readonly score: ScoreInput
  readonly share: number
  readonly of?: 'kept'
}

/** Which tokens a layer keeps, as data that every backend runs natively. See LayerPlan for the fields. */
export interface Selection {
  /** What a token is worth, higher is kept; null: nothing is observed, only protected slots are filled. */
  readonly score?: ScoreInput | null
  /** Instead of `score`: several scores, each for a share of the slots. */
  readonly stages?: readonly StageInput[]
  /** Say it even where nothing is protected: `{}`. */
  readonly protect: ProtectionRule
  readonly whole?: number
  readonly order?: LayerPlan['order']
  /** By score: `capacity` left out is what the layer may keep. */
  readonly evict?: 'never' | 'fifo' | ScoreEvictionInput
  readonly positions?: LayerPlan['positions']
}

/** See {@link Selection}. */
export interface ScoreEvictionInput {
  readonly by: ScoreInput
  /** Tokens that gather before some are evicted; 1 if left out. */
  readonly every?: number
  readonly capacity?: number
  /** `anew`: the score is measured again each time tokens are evicted; left out: it runs on. See the plan's ScoreEviction. */
  readonly measure?: 'anew'
}

/** Scores of one layer on their way through a TypeScript hook. */
export interface Observed {
  readonly layer: number
  readonly heads: number
  readonly tokens: number
  /** [tokens], the prompt. */
  readonly tokenIds: Int32Array
  /** [heads]: tokens that each head will keep, protected ones included; where heads share slots, on average. */
  readonly slots: readonly number[]
  readonly protect: LayerPlan['protect']
  /** [heads, tokens], what the layer's score gives, measured natively; higher is kept. */
  readonly scores: Float32Array
}

/** A pruner with its options resolved. */
export interface BoundPruner {
  readonly layer: (at: LayerContext) => Selection
  /** Escape hatch: replaces the scores of a layer with one score, [heads, tokens]. */
  readonly score?: (observed: Observed) => Float32Array
  /** The allocator of a preset; a spec's `allocate` replaces it. */
  readonly allocate?: MethodRef
  /** The sharing of a preset; a spec's `share` replaces it. */
  readonly share?: MethodRef
}

/** A pruner as registries hold it, whatever its options. */
export interface AnyPruner extends MethodFacts {
  readonly role: 'pruner'
  bind(options: unknown, path: string): BoundPruner
}
