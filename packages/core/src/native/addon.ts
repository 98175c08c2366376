import type { CompressionPlan } from '@qpkv/spec'
import type { WeightFormat } from '../weights/weight-format.ts'

/**
 * The JS-visible surface of the C++ addon, one to one. Arguments are validated in TypeScript before a call; native code only
 * checks invariants. Every method that computes returns a promise; the engine's own thread does the work.
 */
export interface Addon {
  /** Op tables that this build and CPU offer, best first: 'avx512', 'avx2', 'neon', 'scalar'; in a checkout 'reference', too. */
  opTables(): string[]
  /** CPU features found at run time, for messages and result files. */
  cpuFeatures(): string[]
  /** The devices of a backend's shared library. Throws KV_UNSUPPORTED where it can do nothing here. */
  backendDevices(library: string): { name: string; memoryBytes: number }[]
  /**
   * Bytes that the CPU's op tables hold in this process, weights and caches included, and the most that they have held since
   * the last call with `forget`.
   */
  hostMemory(forget?: boolean): { now: number; most: number }
  /** Values of whole blocks of codes; float32 as the format defines them. */
  readBlocks(block: GgufBlock, bytes: Uint8Array): Float32Array
  /** `library`: a backend's shared library (native/ops/backend.h); `device`: which of its devices. */
  createEngine(options: { threads: number; table?: string; library?: string; device?: number }): NativeEngine
}

/** A thread pool, an op table and their workspace. */
export interface NativeEngine {
  readonly table: string
  readonly threads: number
  loadModel(description: NativeModelDescription): Promise<NativeModel>
  /** What measuring each layer takes while prefill reads so many tokens for these plans; waits for nothing. */
  observedMemory(options: {
    tokens: number
    queryHeads: number
    kvHeads: number
    headDim: number
    plans: readonly CompressionPlan[]
  }): NativeObservedMemory[]
  dispose(): void
}

/** Of one layer: bytes of sums, kept queries and scores, and which rows are kept for what reads them. */
export interface NativeObservedMemory {
  bytes: number
  /** Log-sum-exps of a chunk's queries. */
  queries: boolean
  /** A chunk's queries, and all keys, before the rotary embedding. */
  queriesBefore: boolean
  keysBefore: boolean
}

/**
 * `bf16` (default): weights as stored, float32 activations, a cache of bf16 elements. `bf16-fast`: matrix
 * products and prefill attention round both factors to bf16, at about twice the speed where the CPU has bf16
 * dots; products with weights in 8 and 4 bits round activations to bytes, 32 under one scale. `f32`: float32 throughout, cache included.
 */
export type ModelPrecision = 'bf16' | 'bf16-fast' | 'f32'

/** Where a tensor lies in the files of a model. */
export interface NativeTensor {
  /** Index into `files`. */
  file: number
  /** Bytes from the start of the file. */
  offset: number
  element: 'bf16' | 'f16' | 'f32' | GgufBlock
  shape: number[]
  /** Head dimension, where rows stand in pairs of rotated channels (0, d / 2, 1, d / 2 + 1, ...). */
  pairedRows?: number
}

/** Blocks of codes as GGUF files hold them. */
export type GgufBlock = 'q4_0' | 'q4_1' | 'q5_0' | 'q5_1' | 'q8_0' | 'q4_k' | 'q5_k' | 'q6_k'

/** All that the engine needs to run a model. */
export interface NativeModelDescription {
  files: string[]
  precision: ModelPrecision
  layers: number
  hiddenSize: number
  intermediateSize: number
  queryHeads: number
  kvHeads: number
  headDim: number
  vocabSize: number
  rmsEpsilon: number
  block: NativeBlock
  ropes: NativeRope[]
  /** Per layer: index into `ropes`, -1 where positions are not rotated. */
  layerRope: number[]
  /** Per layer: sliding window in tokens, 0 for none. */
  slidingWindow: number[]
  /**
   * By role: 'embed', 'norm', 'head' (left out when tied), and per layer `layers.N.` + inputNorm, q, k, v, o, qNorm,
   * kNorm, attentionNorm, postNorm, gate, up, down, mlpNorm, and of projections + Bias; with experts, in place of gate,
   * up and down, router and `experts.E.` + gate, up, down. What a model lacks is left out.
   */
  tensors: Record<string, NativeTensor>
  /** How matrices are packed, by the role of their first tensor (src/weights/packed-matrices.ts). */
  formats: Record<string, WeightFormat>
  /** Where the packed matrices are kept as a file and mapped; left out: in memory. */
  packed?: NativePackedLocation
}

export interface NativePackedLocation {
  path: string
  /** JSON for the file's header; a file with another text is another model's. */
  info: string
  /** Of all matrices, each padded to 64. */
  bytes: number
}

/** What the blocks of a model compute; native/engine/block_description.h, field by field. */
export interface NativeBlock {
  activation: 'silu' | 'gelu-tanh'
  normOffset: number
  normWholeRows: boolean
  embeddingScale: number
  attentionScale: number
  attentionCap: number
  residualScale: number
  logitScale: number
  logitCap: number
  experts?: { count: number; chosen: number; intermediateSize: number; normalize: boolean }
}

/** A rotary embedding: [rotaryDim / 2] inverse frequencies, scaling applied, and a factor on cos and sin. */
export interface NativeRope {
  inverse: Float32Array
  scale: number
  /** For texts of more than `beyond` tokens. */
  long?: { inverse: Float32Array; scale: number; beyond: number }
}

/** What the engine's thread has to do and has done; reading it waits for nothing. */
export interface NativeStats {
  /** Jobs of contexts that run or wait, and those of prefills. */
  streams: number
  prompts: number
  /** Steps of contexts so far, and the tokens that they fed. */
  steps: number
  stepTokens: number
  /** Tokens of prompts so far; parts of a token where a prompt has not passed all layers. */
  promptTokens: number
  /** Contexts in the last step. */
  batch: number
  /** Of the jobs, those that wait for memory. */
  blocked: number
  /** Granted to sequences, and the limit; weights are part of neither. */
  grantedBytes: number
  limitBytes: number
}

/** Bytes that a prefill is granted before it starts, and that its contexts take over. */
export interface NativePromptMemory {
  /** Shared by all steps and kept: the largest one asked for counts once. */
  scratch: number
  /** Until the contexts are there. */
  work: number
  /** Per plan. */
  contexts: NativeContextMemory[]
}

/** Bytes of a context: the compressed cache, a later token at most, and how many of these are granted with it. */
export interface NativeContextMemory {
  cache: number
  perToken: number
  growthTokens: number
}

/** Weights, packed and shared by all prefills. */
export interface NativeModel {
  /** Bytes of packed weights held in memory. */
  readonly weightBytes: number
  /** Where the matrices lie: in memory of their own, in a packed file just written, or in one that was there. */
  readonly packed: 'memory' | 'written' | 'mapped'
  /** What was wrong with a packed file, continuing its path; empty when all is well. */
  readonly packedNote: string
  /** `expected`: tokens that the contexts will hold; it decides which rotary frequencies they keep. Default: those of the prompt. */
  startPrefill(
    ids: Int32Array,
    contexts: readonly CompressionPlan[],
    expected?: number,
    memory?: NativePromptMemory,
    replays?: readonly NativeReplay[],
  ): NativePrefill
  /** A saved context on its way back. ids: all its tokens; expected: see startPrefill. */
  startOpening(
    plan: CompressionPlan,
    ids: Int32Array,
    expected: number,
    memory: NativeContextMemory,
  ): NativeOpening
  /** Bytes that sequences may take together; a prefill or a context that does not fit waits. Default: no limit. */
  setMemoryLimit(bytes: number): void
  stats(): NativeStats
  dispose(): void
}

/** Layers of a saved context, one after another; a layer that is not sound rejects with KV_DATA. */
export interface NativeOpening {
  /** What saveLayer gave for the next layer. Waits until the context's memory is granted. Returns the positions that prefill kept. */
  addLayer(bytes: Uint8Array): Promise<Int32Array[]>
  /** logits: [vocab]; random: 32 bytes. The opening is spent. */
  finish(logits: Float32Array, random: Uint8Array): Promise<NativeContext>
  /** Makes what waits or comes next reject with code KV_ABORTED. */
  abort(): void
  dispose(): void
}

/** Tokens that pass the layers behind the prompt and repeat its tokens [from, to): they see all of it and themselves. */
export interface NativeReplay {
  ids: Int32Array
  from: number
  to: number
}

/**
 * A prompt on its way through the layers; layer-major. Either runLayers() does it all, or runLayer for layer 0, then
 * compressLayer per plan, then runLayer for layer 1, ...
 */
export interface NativePrefill {
  readonly layer: number
  /** Runs the next layer over the whole prompt and measures the union of the plans' observations. */
  runLayer(): Promise<void>
  /**
   * Runs all layers that are left, each compressed for every plan by its own scores before the next one. Prefills run one
   * after another, in the order in which they were started. progress: told how many layers are done.
   * @returns [plans][layers][storedHeads] kept positions, in storage order.
   */
  runLayers(progress?: (layers: number) => void): Promise<Int32Array[][][]>
  /** What the scores of plan `index` give for the layer just run, [stages, storedHeads, tokens]; empty where nothing is observed. */
  scores(index: number): Promise<Float32Array>
  /** Exact K or V of the layer just run, [kvHeads, tokens, headDim]; for roundTrip hooks. */
  exact(tensor: 'key' | 'value'): Promise<Float32Array>
  /**
   * Selects, gathers, quantizes and packs the layer just run for plan `index`. `scores` replaces those
   * of the one stage; `replacement` stores these values instead of the exact ones
   * (simulated quantizers), [storedHeads, tokens, headDim] each, indexed by prompt position.
   * `selectOnly` chooses tokens and stores nothing: a second call with the same scores then stores.
   * Returns the kept positions per stored head, in storage order. Where layers share slots the last layer's call
   * chooses for all of them; earlier ones return nothing.
   */
  compressLayer(
    index: number,
    options?: {
      scores?: Float32Array
      replacement?: { key: Float32Array; value: Float32Array }
      selectOnly?: boolean
    },
  ): Promise<Int32Array[]>
  /** Kept positions so far, [plans][layers][stored heads]; of plans whose layers share slots only after the last one. */
  kept(): Int32Array[][][]
  /** After the last layer: final norm and logits of the last token. Returns one context per plan; the prefill is spent. */
  finish(): Promise<NativeContext[]>
  /** Logits of every position are wanted (checks only): [tokens, vocab]; call before finish. */
  allLogits(): Promise<Float32Array>
  /** Makes the running layer stop early; its promise rejects with code KV_ABORTED. */
  abort(): void
  dispose(): void
}

/** Bytes of a cache, codebooks left out. */
export interface NativeBytes {
  /** Handed out to segments at the end of prefill; equals the final plan's bytes. */
  planned: number
  /** Handed out since, for later tokens. */
  grown: number
  /** Mapped but not handed out: ends of arenas. */
  unused: number
}

/** How the next token is chosen; all fields are set. */
export interface NativeSampling {
  /** 0 = greedy. */
  temperature: number
  topK: number
  topP: number
  minP: number
  repetitionPenalty: number
  /** Default 0. */
  presencePenalty?: number
  frequencyPenalty?: number
  /** Report the model's own log-probabilities: of the chosen token, and of so many of the likeliest. Default: none. */
  logprobs?: number
  /** Added to the logits of these ids, which differ. */
  biasIds?: Int32Array
  bias?: Float32Array
  /** [(vocabSize + 31) / 32]: a bit per token that may be chosen. Default: all. */
  allowed?: Int32Array
}

/** A chosen token. The others only where log-probabilities were asked for; natural logarithms. */
export interface NativeToken {
  /** -1: the mask allows none. */
  id: number
  logprob?: number
  /** The likeliest tokens, best first, with theirs. */
  likeliest?: Int32Array
  logprobs?: Float32Array
}

/** A compressed cache and the logits of its next token. */
export interface NativeContext {
  /** Tokens seen so far: the position of the next one. */
  readonly tokens: number
  /** As of the last step, like tokens and kept(): none of them waits for the engine. */
  bytes(): NativeBytes
  /** Per layer and stored head: tokens kept now. */
  kept(): Int32Array[]
  /** Starts the generator's random numbers; the same seed gives the same tokens. */
  seed(seed: number): void
  /** Chooses a token from the current logits. */
  sample(sampling: NativeSampling): Promise<NativeToken>
  /** Current logits, [vocab]. */
  logits(): Promise<Float32Array>
  /**
   * Feeds tokens at the true positions; afterwards the logits are those of the last one. One token is a decode step.
   * With `sampling` the step also chooses the next token, which is returned.
   */
  append(ids: Int32Array, sampling?: NativeSampling): Promise<NativeToken | undefined>
  /** Like append, returning the logits of every fed token [ids, vocab]. */
  appendAll(ids: Int32Array): Promise<Float32Array>
  /** What is saved beside the layers: all tokens, the current logits [vocab], and 32 bytes of random state. */
  state(): Promise<{ ids: Int32Array; logits: Float32Array; random: Uint8Array }>
  /** One layer as bytes, with the positions that prefill kept of it per stored head. */
  saveLayer(layer: number, kept: readonly Int32Array[]): Promise<Uint8Array>
  /**
   * Compresses what it holds again by another plan, of a text of all its tokens, layer by layer. The steps before the first
   * layer is stored can be aborted and change nothing. Returns the positions kept, [layers][stored heads] in storage order.
   */
  recompress(request: {
    plan: CompressionPlan
    /** Tokens before it stay, and `plan` is for the text from there on; default 0. */
    first?: number
    /** How all of it is stored then; default: by `plan`. */
    store?: CompressionPlan
    /** Segments of `store`, the first ones, that are the present plan's and stay as they lie; default 0. */
    taken?: number
    /** [layers][stored heads]: positions that the present plan kept of the first `heldOf` tokens, in storage order. */
    held: readonly (readonly Int32Array[])[]
    heldOf: number
    /** [layers], 1: the running scores stand for those of the plan. */
    running: Int32Array
    memory: NativeContextMemory
    /** Bytes beside the caches while it runs. */
    work: number
    /** False: rejects with KV_MEMORY where it would wait for memory. */
    mayWait?: boolean
  }): Promise<Int32Array[][]>
  /** Tokens in each segment of the plan, [layers][stored heads]. */
  segments(): Int32Array[][]
  /** While held, later tokens stay as exact as they came, whatever the plan says of them. */
  hold(held: boolean): void
  /** How many tokens will come next: memory for them is asked for at once. 0: no more for now. */
  expect(tokens: number): void
  /** tokens: of the text's first ones, fewer than there are; only where every token is stored exactly. */
  fork(tokens?: number): NativeContext
  /** The last `count` ids of the first `end` tokens. */
  ids(end: number, count: number): Int32Array
  /** Positions in the text of the tokens that a stored head holds, in storage order; only where the plan evicts. */
  positions(layer: number, head: number): Int32Array
  abort(): void
  dispose(): void
}
