import type { Bits, TensorFormat } from './tensor-format.ts'

/**
 * The plan: all that the engine ever sees of a spec. Plain JSON, saved beside the spec in every result file.
 * Names of methods stop here; an unknown or unsupported value is refused with KV_UNSUPPORTED, naming the field.
 */
export interface CompressionPlan {
  readonly planVersion: 1
  /** `kv`: one list of tokens per KV head. `query`: per query head, as the original codes store it. */
  readonly heads: 'kv' | 'query'
  readonly promptTokens: number
  /**
   * Index after the last token of the last user turn, where an observation counts
   * back from `user-end`; left out: the prompt's end.
   */
  readonly userEnd?: number
  /** SHA-256 of the calibration that the formats were made from. For reports; engines ignore it. */
  readonly calibration?: string
  /** Facts for reports; engines ignore them. */
  readonly notes?: readonly string[]
  readonly layers: readonly LayerPlan[]
}

/** One layer: how many tokens, which ones, and how they are stored. */
export interface LayerPlan {
  readonly tokens: {
    /** Tokens kept per stored head at the end of prefill, at most; with the pool `layer`, the mean of its heads. */
    readonly perHead: number
    /** Who shares places: nobody, the heads of a layer by where its best scores lie (shareAmongHeads), or all layers (refused for now). */
    readonly pool: 'head' | 'layer' | 'model'
    /** With a pool: the part, 0 to 1, of its equal share that a head keeps whatever its scores are. */
    readonly floor: number
    /** With a pool: `top-share` multiplies a head's scores by what part of their sum its best ones hold; left out: they compete as they are. */
    readonly weigh?: 'top-share'
    /** With a pool: `each` rounds head by head, as a released code does; left out: the sum is exact. */
    readonly rounding?: 'each'
    /** With `evict`: tokens per stored head that decode keeps, where the prompt was shorter; left out: `perHead`. */
    readonly capacity?: number
  }
  /** Set in a final plan: tokens really kept per stored head. */
  readonly kept?: readonly number[]
  /** Code widths of a quantizer that runs in TypeScript (`roundTrip`): the exact formats below hold what reading back gives. */
  readonly simulated?: { readonly keyBits: Bits; readonly valueBits: Bits }
  /** In storage order: `sinks` (optional), `packed`, `recent`. */
  readonly segments: readonly SegmentPlan[]
  /**
   * How later tokens leave `recent`: `unified` flushes K and V together by groups, `kivi` keys by
   * blocks and values one by one, `never`: they stay.
   */
  readonly residual: 'unified' | 'kivi' | 'never'
  /** What prefill measures to one score per stored head and token. */
  readonly observe: Observation
  /** Pooling of the scores along the tokens before the last `protect.last`; left out: none. */
  readonly smooth?: Smoothing
  /** Tokens never dropped: the first and the last ones of the prompt. They need no score. */
  readonly protect: { readonly first: number; readonly last: number }
  /** Which scores are kept. Ties break to the lower position. */
  readonly prefer: 'highest' | 'lowest'
  /** Storage order of the kept tokens; `score` = descending score, then the protected last ones (what the original codes do). */
  readonly order: 'position' | 'score'
  /** What happens when tokens beyond `tokens.perHead` arrive in decode. */
  readonly evict: 'never' | 'fifo' | 'lowest-score'
  /** `true`: keys carry their position in the text. `cache`: their index in the cache (keys are stored before RoPE). */
  readonly positions: 'true' | 'cache'
}

/** Part of a head's tokens with one format for K and one for V. */
export interface SegmentPlan {
  readonly role: 'sinks' | 'packed' | 'recent'
  /** Tokens at the end of prefill; `rest` = what the other segments leave. `recent` collects later tokens. */
  readonly tokens: number | 'rest'
  readonly key: TensorFormat
  readonly value: TensorFormat
}

/** Measured natively in prefill; the result has shape `[storedHeads, tokens]`, float32. */
export type Observation =
  | { readonly what: 'nothing' }
  | AttentionObservation
  /** Euclidean norm of each key after RoPE. */
  | { readonly what: 'key-norm' }
  /** Cosine of each key (after RoPE) with the mean of its head's normalized keys. */
  | { readonly what: 'key-similarity' }

/** Attention probabilities that each key receives, reduced over queries and over the query heads of a stored head. */
export interface AttentionObservation {
  readonly what: 'attention'
  /** All queries, or the `last` ones counting back from the end of the prompt or of the last user turn. */
  readonly queries: 'all' | { readonly last: number; readonly before: 'prompt-end' | 'user-end' }
  /**
   * `causal`, or `window-block`: only the last `window` x `window` block is masked (a
   * released code's behavior; `window` = `protect.last`).
   */
  readonly mask: 'causal' | 'window-block'
  readonly reduce: 'sum' | 'mean'
  readonly group: 'mean' | 'max' | 'sum'
}

/** Pooling of scores along the tokens, stride 1. */
export interface Smoothing {
  readonly pool: 'max' | 'mean'
  /** Odd width in tokens. */
  readonly kernel: number
  /** `zeros-count`: a mean divides by the kernel at the edges too; `valid`: by the tokens that exist. Max ignores it. */
  readonly padding: 'zeros-count' | 'valid'
}
