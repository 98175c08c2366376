import type { ModelFacts } from '../facts.ts'
import type { KeyStorage, Residual, TierShare, ValueStorage } from '../plan/layer-plan.ts'
import type { Bits, TensorFormat } from '../plan/tensor-format.ts'
import type { MethodFacts } from './method.ts'

/** How one layer is stored. */
export interface LayerStorage {
  readonly key: TensorFormat
  readonly value: TensorFormat
  /** Keys before or after the rotary embedding, and a transform; left out: after, none. */
  readonly keys?: Partial<KeyStorage>
  /** Left out: no transform. */
  readonly values?: Partial<ValueStorage>
  /** Better formats for the best packed tokens by score, the best first; the others take `key` and `value`. */
  readonly tiers?: readonly (TierShare & { readonly key: TensorFormat; readonly value: TensorFormat })[]
  /** The newest kept tokens that stay exact; 0 if left out. */
  readonly recent?: number
  /** The first kept tokens that stay exact; 0 if left out. */
  readonly sinks?: number
  /** How later tokens leave `recent`; left out: keys and values by groups. */
  readonly residual?: Residual
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

/** A quantizer with its options resolved. */
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
