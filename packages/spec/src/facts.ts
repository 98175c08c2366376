/** What a method may know about a model. */
export interface ModelFacts {
  readonly layers: number
  readonly queryHeads: number
  readonly kvHeads: number
  readonly headDim: number
  /** Per layer: visible tokens of a sliding-window layer, or null. Left out: no layer has one. */
  readonly slidingWindow?: readonly (number | null)[]
  /** Longest prompt in tokens that the model was made for. */
  readonly contextTokens?: number
  /** What no other model has, for data that was made on one. Left out: not known, as in an estimate from a configuration. */
  readonly identity?: string
}

/** What a method may know about a prompt. */
export interface PromptFacts {
  readonly tokens: number
  /** Index after the last token of the last user turn's text; left out: the end of the prompt. */
  readonly userEnd?: number
  /** [tokens]; needed by methods that protect tokens by their ids. */
  readonly tokenIds?: ArrayLike<number>
}
