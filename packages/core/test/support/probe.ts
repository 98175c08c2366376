import type { LayerPlan, ScoreNode } from '@qpkv/spec'
import type { Addon, Context, NativeBytes, NativeContext, NativeEngine } from '../../src/index.ts'
import { loadAddon } from '../../src/index.ts'

/*
 * What tests reach into: one layer on its own, and what the tiles of a context hold. Only builds for tests have it
 * (CMake's QPKV_TESTS, native/probe); a published addon has not.
 */

/** The addon's `probe`, one to one. */
interface NativeProbe {
  createLayerCache(engine: NativeEngine, options: LayerCacheOptions): Promise<NativeLayerCache>
  observe(engine: NativeEngine, options: ObserveOptions): Promise<Float32Array>
  selectLayers(engine: NativeEngine, options: SelectOptions): Promise<Int32Array[][]>
  exportTiles(context: NativeContext, layer: number, head: number): NativeTileExport
  scrambleTiles(context: NativeContext, seed: number): void
}

/** An engine that also runs one layer on its own. */
export interface ProbeEngine extends NativeEngine {
  /** One layer's cache on its own, from given q, k, v: what prefill does per layer. */
  createLayerCache(options: LayerCacheOptions): Promise<NativeLayerCache>
  /** A score of one layer from given tensors, [storedHeads, tokens]. */
  observe(options: ObserveOptions): Promise<Float32Array>
  /** Kept positions, [layers][stored heads], of layers whose scores [heads, tokens] are given: what prefill chooses. */
  selectLayers(options: SelectOptions): Promise<Int32Array[][]>
}

export interface ProbeAddon extends Addon {
  createEngine(options: Parameters<Addon['createEngine']>[0]): ProbeEngine
}

/** The addon of the checkout, whose engines have a probe. */
export function probeAddon(): ProbeAddon {
  const { addon } = loadAddon()
  return {
    ...addon,
    createEngine: (options) => {
      const engine = addon.createEngine(options)
      const native = probe()
      return Object.assign(engine, {
        createLayerCache: (given: LayerCacheOptions) => native.createLayerCache(engine, given),
        observe: (given: ObserveOptions) => native.observe(engine, given),
        selectLayers: (given: SelectOptions) => native.selectLayers(engine, given),
      })
    },
  }
}

/** What the kernels see of one layer and stored head, read back in float32 with codes and scales. */
export const exportTiles = (
  context: Context | NativeContext,
  layer: number,
  head: number,
): NativeTileExport => probe().exportTiles(nativeOf(context), layer, head)

/** Overwrites all packed codes with seeded noise: proves that nothing else holds the values. */
export const scrambleTiles = (context: Context | NativeContext, seed: number): void => {
  probe().scrambleTiles(nativeOf(context), seed)
}

function probe(): NativeProbe {
  const { addon, path } = loadAddon()
  if ('probe' in addon) return addon.probe as NativeProbe
  throw new Error(`${path} is built without QPKV_TESTS. Type: npm run build:native -w packages/core`)
}

const nativeOf = (context: Context | NativeContext): NativeContext =>
  'parts' in context ? (context as unknown as { parts: { native: NativeContext } }).parts.native : context

/** Kept positions, [layers][stored heads], of layers whose scores [heads, tokens] are given. */
export interface SelectOptions {
  tokens: number
  heads: number
  layers: readonly { plan: LayerPlan; scores: Float32Array }[]
}

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

/** What the kernels see, in float32, with the codes and scales as stored. Parts in storage order. */
export interface NativeTileExport {
  tokens: number
  key: NativePartExport[]
  value: NativePartExport[]
}

/** Keys or values of one segment of a head. */
export interface NativePartExport {
  bits: number
  tokens: number
  /** [tokens, headDim] */
  values: Float32Array
  /** [tokens, headDim]: as they lie there, where the layer transforms them. */
  stored?: Float32Array
  /** [tokens, headDim]; absent for exact parts, like the next two. */
  codes?: Uint8Array
  /** per channel: [groups, headDim]; per token: [channelGroups, tokens] */
  scales?: Float32Array
  /** Minima, or integer zero points. Same shape. */
  offsets?: Float32Array
  /** Of formats that balance: [tokens] with scales per channel, [headDim] per token. */
  balance?: Float32Array
  /** In the text (by index in the cache where the plan says so); -1 where evicted. Only where the layer keeps them. */
  positions?: Int32Array
}
