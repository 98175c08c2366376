import type { CompressionPlan } from './layer-plan.ts'
import type { Bits, Element, PackedFormat } from './tensor-format.ts'

/*
 * Version 1 of the plan, as files of version 0.1 hold it. Read only, never written.
 */

export interface Plan1 extends Omit<CompressionPlan, 'planVersion' | 'layers'> {
  readonly planVersion: 1
  readonly layers: readonly LayerPlan1[]
}

export interface LayerPlan1 {
  readonly tokens: {
    readonly perHead: number
    readonly pool: 'head' | 'layer' | 'model'
    readonly floor: number
    readonly weigh?: 'top-share'
    readonly rounding?: 'each'
    readonly capacity?: number
  }
  readonly kept?: readonly number[]
  readonly simulated?: { readonly keyBits: Bits; readonly valueBits: Bits }
  readonly segments: readonly SegmentPlan1[]
  readonly residual: 'unified' | 'kivi' | 'never'
  readonly observe:
    | { readonly what: 'nothing' | 'key-norm' | 'key-similarity' }
    | {
        readonly what: 'attention'
        readonly queries: 'all' | { readonly last: number; readonly before: 'prompt-end' | 'user-end' }
        readonly mask: 'causal' | 'window-block'
        readonly reduce: 'sum' | 'mean'
        readonly group: 'mean' | 'max' | 'sum'
      }
  readonly smooth?: {
    readonly pool: 'max' | 'mean'
    readonly kernel: number
    readonly padding: 'zeros-count' | 'valid'
  }
  readonly protect: { readonly first: number; readonly last: number }
  readonly prefer: 'highest' | 'lowest'
  readonly order: 'position' | 'score'
  readonly evict: 'never' | 'fifo' | 'lowest-score'
  readonly positions: 'true' | 'cache'
}

interface Rope1 {
  readonly rope: 'after' | 'before'
}

export interface SegmentPlan1 {
  readonly role: 'sinks' | 'packed' | 'recent'
  readonly tokens: number | 'rest'
  readonly key: TensorFormat1
  readonly value: TensorFormat1
}

export type ExactFormat1 = { readonly bits: 16; readonly element: Element } & Rope1

export type PackedFormat1 = Omit<PackedFormat, 'solver'> &
  Rope1 & {
    readonly solver:
      { readonly kind: 'min-max' } | { readonly kind: 'hqq'; readonly version: '0.2.2' | '0.2.8' }
    readonly center: 'none' | 'mean'
    readonly rotate: 'none' | 'hadamard'
  }

export type TensorFormat1 = ExactFormat1 | PackedFormat1
