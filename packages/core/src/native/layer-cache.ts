import type { LayerPlan, ScoreNode } from '@qpkv/spec'
import type { NativeBytes, NativeTileExport } from './addon.ts'

/* One layer on its own, for checks and experiments. */

/** Tensors of one layer. */
export interface LayerOptions {
  /** [tokens, queryHeads, headDim] after RoPE. */
  q: Float32Array
  /** [kvHeads, tokens, headDim] after RoPE. */
  k: Float32Array
  tokens: number
  queryHeads: number
  kvHeads: number
  headDim: number
  heads: 'kv' | 'query'
  slidingWindow?: number
  /** Index after the last user turn; left out: the end of the prompt. */
  userEnd?: number
  /** [kvHeads, tokens, headDim]; for statistics that read values or outputs. */
  v?: Float32Array
  /** Like q and k before RoPE, for statistics that read them. */
  qBefore?: Float32Array
  kBefore?: Float32Array
  /** [hiddenSize, queryHeads * headDim], the output projection. */
  outputWeight?: Float32Array
  /** [headDim / 2] */
  ropeInvFreq?: Float32Array
  /** Tokens that repeat the prompt, for statistics that read them. */
  replays?: ReplayOptions[]
}

/** Queries and keys of tokens that repeat the prompt's tokens [from, to), after RoPE. */
export interface ReplayOptions {
  from: number
  to: number
  rows: number
  /** [rows, queryHeads, headDim] */
  q: Float32Array
  /** [kvHeads, rows, headDim] */
  k: Float32Array
  /** [rows]: norms of what the layer's attention reads. */
  inputNorms: Float32Array
}

/** Tensors of one layer, and what a token of it is worth. */
export interface ObserveOptions extends LayerOptions {
  score: ScoreNode
  /** Tokens at the end that are kept whatever they score; left out: 0. */
  protectLast?: number
}

/** Tensors of one layer, and the plan by which they are stored. */
export interface LayerCacheOptions extends LayerOptions {
  /** [kvHeads, tokens, headDim] */
  v: Float32Array
  plan: LayerPlan
  precision: 'bf16' | 'f32'
  /** Replaces the observed scores, [storedHeads, tokens]. */
  scores?: Float32Array
}

/** The same class that a context holds per layer. */
export interface NativeLayerCache {
  /** What the first stage selected by, [storedHeads, tokens - protect.last]; empty where nothing was observed. */
  scores(): Float32Array
  /** Kept positions per stored head, in storage order. */
  kept(): Int32Array[]
  bytes(): NativeBytes
  /** Appends tokens: k, v [kvHeads, count, headDim]. */
  append(k: Float32Array, v: Float32Array, count: number): Promise<void>
  /** Decode attention of one token's queries [queryHeads, headDim] over the cache; returns [queryHeads, headDim]. */
  attend(q: Float32Array): Promise<Float32Array>
  export(head: number): NativeTileExport
  scramble(seed: number): void
  dispose(): void
}
