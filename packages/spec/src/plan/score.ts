import type { OptionValues } from '../options/option-shape.ts'
import type { statistics } from './statistics.ts'

/**
 * What a token is worth, as data: an expression over named statistics that every backend runs natively. A node yields
 * float32, [queryHeads, tokens] or [storedHeads, tokens]; a stage's score is [storedHeads, tokens], higher is kept.
 * "Tokens" are the scored ones everywhere: those before the last `protect.last` of the prompt.
 */
export type ScoreNode = StatisticNode | OperationNode

// ---- statistics -----------------------------------------------------------------------------------------------------

/**
 * Measured of a layer in prefill; keys are taken after RoPE, matrices stay inside. One file per statistic in
 * `statistics/` says its name, rows and options.
 */
export type StatisticNode = {
  readonly [K in keyof Statistics]: { readonly stat: Statistics[K]['name'] } & OptionValues<
    Statistics[K]['options']
  >
}[keyof Statistics]
type Statistics = typeof statistics

// ---- operations -----------------------------------------------------------------------------------------------------

/** Made of other nodes. Unless an operation says otherwise it works on each head and token by itself and keeps the shape. */
export type OperationNode =
  | GroupOperation
  | AddOperation
  | MultiplyOperation
  | PowerOperation
  | ScaleOperation
  | ZScoreOperation
  | SoftmaxOperation
  | RankInBlocksOperation
  | PoolOperation
  | BlockPoolOperation
  | EntropyGateOperation
  | ConstantOperation

/** Reduces the query heads of a stored head: [queryHeads, tokens] -> [storedHeads, tokens]. With `heads: 'query'` it changes nothing. */
export interface GroupOperation {
  readonly op: 'group'
  readonly by: 'mean' | 'max' | 'sum'
  /** `layer`: all rows become one, which every stored head gets; left out: those of each stored head. */
  readonly over?: 'heads' | 'layer'
  readonly of: readonly [ScoreNode]
}

/** The sum of two or more nodes of one shape. */
export interface AddOperation {
  readonly op: 'add'
  readonly of: readonly ScoreNode[]
}

/** The product of two or more nodes of one shape. */
export interface MultiplyOperation {
  readonly op: 'multiply'
  readonly of: readonly ScoreNode[]
}

/** x^exponent; scores below 0 need a whole exponent. */
export interface PowerOperation {
  readonly op: 'power'
  readonly exponent: number
  readonly of: readonly [ScoreNode]
}

/** x * factor + offset: the factor -1 keeps the lowest. */
export interface ScaleOperation {
  readonly op: 'scale'
  readonly factor: number
  /** Left out: 0. */
  readonly offset?: number
  readonly of: readonly [ScoreNode]
}

/** (x - mean) / deviation of the population over a head's tokens, or over all heads of the layer together; 0 where all are equal. */
export interface ZScoreOperation {
  readonly op: 'z-score'
  /** First tokens that take no part and keep their value; left out: 0. */
  readonly skipFirst?: number
  readonly over: 'head' | 'layer'
  readonly of: readonly [ScoreNode]
}

/** exp(x) over its sum along a head's tokens. */
export interface SoftmaxOperation {
  readonly op: 'softmax'
  /** First tokens that take no part and keep their value; left out: 0. */
  readonly skipFirst?: number
  readonly of: readonly [ScoreNode]
}

/** Rank among the tokens of a block of consecutive tokens over their number, 0 for the lowest; of equal ones the earlier is lower. */
export interface RankInBlocksOperation {
  readonly op: 'rank-in-blocks'
  /** First tokens that take no part and keep their value; left out: 0. */
  readonly skipFirst?: number
  /** Tokens of a block; the last may be short. */
  readonly block: number
  readonly of: readonly [ScoreNode]
}

/** Pooling along the tokens, stride 1, the window centered. */
export interface PoolOperation {
  readonly op: 'pool'
  /** First tokens that take no part and keep their value; left out: 0. */
  readonly skipFirst?: number
  readonly pool: 'max' | 'mean'
  /** Odd width in tokens. */
  readonly kernel: number
  /** `zeros-count`: a mean divides by the kernel at the edges too; `valid`: by the tokens that exist. Max ignores it. */
  readonly padding: 'zeros-count' | 'valid'
  readonly of: readonly [ScoreNode]
}

/** Every token gets the mean or maximum of its block of consecutive tokens: blocks are kept or dropped whole. */
export interface BlockPoolOperation {
  readonly op: 'block-pool'
  /** First tokens that take no part and keep their value; left out: 0. */
  readonly skipFirst?: number
  readonly pool: 'max' | 'mean'
  /** Tokens of a block; the last may be short. */
  readonly block: number
  readonly of: readonly [ScoreNode]
}

/**
 * The order in which blocks of consecutive tokens are taken, the best first, as a score: n for the first token of n, 1 for
 * the last. Blocks come by their mean, whole; of a block whose mean is at least the median of all and whose entropy is
 * below theirs only the best `rescue` tokens, the others after all blocks (arXiv 2502.00299, entropy-gated).
 */
export interface EntropyGateOperation {
  readonly op: 'entropy-gate'
  /** First tokens that take no part and keep their value; left out: 0. */
  readonly skipFirst?: number
  /** Tokens of a block; the last may be short. */
  readonly block: number
  /** Tokens that are taken of an important block whose worth lies in few of them. */
  readonly rescue: number
  readonly of: readonly [ScoreNode]
}

/** Replaces the scores of the first and the last scored tokens. */
export interface ConstantOperation {
  readonly op: 'constant'
  readonly first: number
  readonly last: number
  /** A number, or `above`: 1 more than the layer's highest score. */
  readonly value: number | 'above'
  readonly of: readonly [ScoreNode]
}
