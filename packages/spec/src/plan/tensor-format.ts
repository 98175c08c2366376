import type { Integer } from './integer.ts'

/** Bits of one stored value. 16 stands for an exact element, see {@link ExactFormat}. */
export type Bits = 16 | 8 | 4 | 3 | 2 | 1

/** A floating-point storage type. `f32` is used by the float32 mode only. */
export type Element = 'bf16' | 'f16' | 'f32'

/** What shares a scale: `channel`: a channel over `group` tokens; `token`: a token over `group` channels. */
export type ScalePer = 'channel' | 'token'

/**
 * How the offset is stored: a float minimum; an integer zero point `z` in a byte with `value = (code - z) * scale`; the
 * same in the low four bits of a float32 scale, for up to 4 bits, rounded half away from zero (its range need not hold
 * 0: values beyond are clamped); or none, where the solver scales by norms.
 */
export type ZeroPoint = 'float-minimum' | 'integer' | 'in-scale' | 'none'

/** A tensor stored value by value. "16 bit" in the papers' sense; `element: 'f32'` is the float32 mode. */
export interface ExactFormat {
  readonly bits: 16
  readonly element: Element
}

/**
 * A tensor stored in codes of 1, 2, 3, 4 or 8 bits with a scale and an offset per group: `value = level[code] * scale + minimum`.
 * Scale and minimum are rounded to `metadata` first and codes are computed with the rounded ones (true division, half to even).
 * A group whose scale is 0 takes its minimum.
 */
export interface PackedFormat {
  readonly bits: 8 | 4 | 3 | 2 | 1
  readonly scalePer: ScalePer
  /**
   * Tokens (16, 32, 64 or 128) or channels (a multiple of 8 below the head dimension, or all)
   * that share a scale. The last group may be short.
   */
  readonly group: Integer
  readonly metadata: 'f16' | 'f32'
  readonly zero: ZeroPoint
  /**
   * `uniform`: level[code] = code. A codebook: 2^bits ascending levels, for a group scaled to
   * [-1, 1] (then minimum is the group's centre), or by its norm.
   */
  readonly levels: 'uniform' | Codebook
  readonly solver: Solver
  /** Values kept exactly beside the codes: at most ceil(fraction * tokens * headDim) per tile; 0 for none. */
  readonly outliers: number
  /**
   * Which values these are; left out: those farthest from their group's mean, in units of its
   * mean deviation. Only with `outliers` above 0.
   */
  readonly outlierRule?: OutlierRule
  /** Two-sided variance normalization of every tile; left out: none. */
  readonly balance?: Balance
}

/** See {@link PackedFormat}. */
export interface Codebook {
  readonly codebook: readonly number[]
}

/**
 * A second scale, for what has none: per token with scales per channel, per channel with scales per token. It evens out
 * the standard deviations of both in so many alternating steps, of which the most even one counts (arXiv 2606.03458).
 */
export interface Balance {
  readonly steps: Integer
}

/** How scale and offset are found. */
export type Solver = MinMaxSolver | ProximalSolver | NormSolver

/** The range of a group, which counts as `least` where it is smaller; left out: 0. */
export interface MinMaxSolver {
  readonly kind: 'min-max'
  readonly least?: number
}

/**
 * Codes are the levels nearest to the values over `spread` times the group's norm. Stored is that scale, or with `keep`
 * the one that gives what is read back the norm of the group.
 */
export interface NormSolver {
  readonly kind: 'norm'
  readonly spread: number
  readonly keep: boolean
}

/**
 * Refines float minima by proximal iterations, over the block quantized at once, for the l_norm of the errors
 * (half-quadratic quantization, arXiv 2309.15531). Scales are capped at the inverse 2e4.
 */
export interface ProximalSolver {
  readonly kind: 'proximal'
  readonly steps: Integer
  readonly norm: number
  readonly beta: number
  /** Every step multiplies beta by this. */
  readonly growth: number
  /** The steps end at once where the first leaves a mean error that is not below this; left out: any is. */
  readonly limit?: number
  /** Groups whose range is at most this take the scale 1; 0: only those of one value are apart, stored exactly. */
  readonly flat: number
}

/**
 * `beyond`: per tile the values whose size is greater than `threshold`, the largest first where there are more than
 * the capacity (ties: the earlier token, then the lower channel). Such a value is coded, and counts in its group's
 * range, as 0. Others that are beyond are coded as they are.
 */
export interface OutlierRule {
  readonly kind: 'beyond'
  readonly threshold: number
}

/** How K or V of one layer is stored in one segment. The native kernels understand exactly these fields. */
export type TensorFormat = ExactFormat | PackedFormat
