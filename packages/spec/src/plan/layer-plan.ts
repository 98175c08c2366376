import type { Integer } from './integer.ts'
import type { ScoreNode } from './score.ts'
import type { Bits, TensorFormat } from './tensor-format.ts'

/**
 * The plan: all that the engine ever sees of a spec. Plain JSON, saved beside the spec in every result file.
 * Names of methods stop here; an unknown or unsupported value is refused with KV_UNSUPPORTED, naming the field.
 */
export interface CompressionPlan {
  readonly planVersion: 2
  /** `kv`: one list of tokens per KV head. `query`: per query head, as the original codes store it. */
  readonly heads: 'kv' | 'query'
  readonly promptTokens: Integer
  /**
   * Index after the last token of the last user turn, where an observation counts
   * back from `user-end`; left out: the prompt's end.
   */
  readonly userEnd?: Integer
  /** SHA-256 of the calibration that the formats were made from. For reports; engines ignore it. */
  readonly calibration?: string
  /** Facts for reports; engines ignore them. */
  readonly notes?: readonly string[]
  readonly layers: readonly LayerPlan[]
}

/** One layer: how many tokens, which ones, and how they are stored. */
export interface LayerPlan {
  readonly tokens: TokenShare
  /** Set in a final plan: tokens really kept per stored head. */
  readonly kept?: readonly Integer[]
  /** Code widths of a quantizer that runs in TypeScript (`roundTrip`): the exact formats below hold what reading back gives. */
  readonly simulated?: SimulatedBits
  readonly keys: KeyStorage
  readonly values: ValueStorage
  /**
   * In storage order: `sinks` (optional), `packed`, `recent`. Several `packed` ones are tiers: their tokens are
   * assigned by score, the best to the first; later tokens flush to the last.
   */
  readonly segments: readonly SegmentPlan[]
  readonly residual: Residual
  /**
   * How tokens are chosen: each stage fills its share of the slots beside the protected ones with its best
   * scores among the tokens that are left. None: nothing is observed, the lowest positions fill the slots.
   */
  readonly stages: readonly SelectionStage[]
  readonly protect: Protection
  /**
   * Blocks of this many consecutive tokens, counted from the prompt's first, are kept whole or not at all: slots that no
   * whole block fills stay empty. Left out: a block may be cut.
   */
  readonly whole?: Integer
  /** Storage order of the kept tokens; `score` = descending score, then the protected last ones (what the original codes do). */
  readonly order: 'position' | 'score'
  /** What happens when tokens arrive in decode beyond what may be kept. */
  readonly evict: Eviction
  /** `true`: keys carry their position in the text. `cache`: their index in the cache (keys are stored before RoPE). */
  readonly positions: 'true' | 'cache'
}

/** See {@link LayerPlan}. */
export interface SimulatedBits {
  readonly keyBits: Bits
  readonly valueBits: Bits
}

/** How many tokens a layer keeps, and who shares them. */
export interface TokenShare {
  /**
   * Tokens kept per stored head at the end of prefill, at most: one number for all, or one per head,
   * [storedHeads]. With the pool `layer`: the mean of its heads; with the pool `model` what heads bring into it.
   */
  readonly perHead: Integer | readonly Integer[]
  /** Who shares slots: nobody, the heads of a layer by where its best scores lie, or all layers. */
  readonly pool: 'head' | 'layer' | 'model'
  /** With a pool: the part, 0 to 1, of its equal share that a head keeps whatever its scores are. */
  readonly floor: number
  /**
   * With a pool: `least` keeps that part of a head's tokens, protected ones counted, and lets heads compete for the rest
   * by their scores alone; left out: a head gets `floor` of its equal share and the rest of what it wins.
   */
  readonly guard?: 'least'
  /** With a pool: `top-share` multiplies a head's scores by what part of their sum its best ones hold; left out: they compete as they are. */
  readonly weigh?: 'top-share'
  /** With a pool: `each` rounds head by head, as a released code does; left out: the sum is exact. */
  readonly rounding?: 'each'
  /** With `evict: 'fifo'`: tokens per stored head that decode keeps, where the prompt was shorter; left out: `perHead`. */
  readonly capacity?: Integer
}

/** One stage of a selection. */
export interface SelectionStage {
  /** [storedHeads, tokens], higher is kept; ties break to the lower position. */
  readonly score: ScoreNode
  /** Part of the slots, above 0 and at most 1; a plan's shares add up to 1, the last stage takes what rounding leaves. */
  readonly share: number
  /** `kept`: a part of all tokens that a head keeps; protected ones fill it first. */
  readonly of?: 'kept'
}

/** Tokens that are never dropped and need no score. */
export interface Protection {
  /** The first ones of the prompt. */
  readonly first: Integer
  /** The last ones of the prompt. */
  readonly last: Integer
  /** Others, ascending; those that a sliding window no longer sees are dropped all the same. */
  readonly positions?: readonly Integer[]
}

/**
 * `fifo`: the oldest token behind the first protected ones leaves. By score: when `every` tokens more than
 * `capacity` are there, those with the lowest scores leave: running ones, which begin as those of prefill and to which attention of
 * later queries is added, or ones that are measured anew.
 */
export type Eviction = 'never' | 'fifo' | ScoreEviction

/** See {@link Eviction}. */
export interface ScoreEviction {
  readonly by: ScoreNode
  /** Tokens that gather before some leave. */
  readonly every: Integer
  /** Tokens per stored head that decode keeps. */
  readonly capacity: Integer
  /**
   * `anew`: `by` is measured again each time tokens leave, over what the cache holds in the order of positions, by the newest
   * queries; at least as many tokens gather as queries observe. Left out: the scores run on.
   */
  readonly measure?: 'anew'
}

/** What holds for the keys of a layer in every segment. */
export interface KeyStorage {
  /** Whether keys are stored after or before the rotary embedding. */
  readonly rope: 'after' | 'before'
  readonly transform: Transform
  readonly signs?: Signs
}

/** What holds for the values of a layer in every segment. */
export interface ValueStorage {
  /** None is centred by any engine. */
  readonly transform: Transform
  readonly signs?: Signs
}

/**
 * Applied before storing, later tokens included, and undone when reading. `center` subtracts the mean of the kept tokens
 * from every channel of a head: 32 bits per channel and head. `hadamard` rotates each run of as many channels as the largest power of
 * two that divides the head dimension by the Walsh-Hadamard matrix in natural order, divided by the root of their number.
 */
export type Transform = 'none' | 'hadamard' | 'center' | 'center-hadamard'

/** Channels that are multiplied by -1 before the rotation, [headDim] of 1 and -1; left out: none. */
export type Signs = readonly (1 | -1)[]

/**
 * How later tokens leave `recent`. Keys: by the groups of their format, by blocks as long as `recent`, or never.
 * Values: with the keys' groups, one by one, or never.
 */
export interface Residual {
  readonly keys: 'group' | 'block' | 'never'
  readonly values: 'group' | 'token' | 'never'
}

/** Part of a head's tokens with one format for K and one for V. */
export interface SegmentPlan {
  readonly role: 'sinks' | 'packed' | 'recent'
  /**
   * Tokens at the end of prefill; `rest` = what the other segments leave; of a tier that is not the last, its part of
   * the packed tokens, or how many of each stored head's. `recent` collects later tokens.
   */
  readonly tokens: 'rest' | Integer | TierShare | TierCounts
  readonly key: TensorFormat
  readonly value: TensorFormat
}

/** Part of the packed tokens, above 0 and below 1, rounded down. */
export interface TierShare {
  readonly share: number
}

/** Packed tokens of each stored head, [storedHeads]; a head that is not listed has none. */
export interface TierCounts {
  readonly counts: readonly Integer[]
}
