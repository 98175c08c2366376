import type { CompressionSpec, Recipe } from '@qpkv/spec'
import type { DecodeCheck } from './decode/decode-rates.ts'
import type { Quality } from './measure/quality.ts'

/** A spec that was judged. */
export interface JudgedSpec {
  readonly spec: CompressionSpec
  /** Real bytes of the cache at the planned length, by the plan. */
  readonly bytes: number
  /** Of the full cache in 16 bit. */
  readonly share: number
  readonly quality: Quality
  /** Predicted milliseconds per token at the planned length; undefined where a format could not be timed. */
  readonly decodeMs?: number
  /** No other has at least its points in at most its bytes. */
  readonly onFrontier: boolean
}

/** What planning found. */
export interface CompressionPlanning {
  readonly recommended: JudgedSpec
  /** The best specs of the search at the budget, its half and its quarter, by bytes. */
  readonly judged: readonly JudgedSpec[]
  readonly recipe: Recipe
  /** The full cache: its bytes at the planned length, its step, and how many questions it answers. */
  readonly full: {
    readonly bytes: number
    readonly decodeMs?: number
    readonly asked: number
    readonly found: number
  }
  /** What points are: kept answers, or, where the model does not answer with its full cache, likeliest next tokens that are the same. */
  readonly points: 'answers' | 'next tokens'
  /** Steps over the recommended cache, predicted and measured; undefined where a format could not be timed. */
  readonly decode?: DecodeCheck
  readonly context: number
  /** Tokens of the prompts that were measured. */
  readonly measured: number
  /** Specs that fitted the budget and were measured. */
  readonly candidates: number
  /** Prompts that the recommendation rests on, none of which the search has seen, and how many there were to be. */
  readonly judgedOn: { readonly prompts: number; readonly wanted: number }
  /** Whether the time was up before the search was through. */
  readonly cutShort: boolean
  /** Measurements that were there already, in the file of `keep`. */
  readonly takenOver: number
  readonly ms: number
}
