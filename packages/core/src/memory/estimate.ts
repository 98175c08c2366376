import { formatBytes } from '@qpkv/spec'
import { kvError } from '../errors.ts'
import type { ModelConfig } from '../model/config.ts'
import { REPLAY_TOKENS } from '../replay.ts'

/** Tokens that pass a layer at once in prefill (native/engine/layer_forward.h). */
const CHUNK_TOKENS = 512
/** Scratch of threads, parts of a layer on their way, and what the addon takes beside. */
const FIXED_BYTES = 2 * 1024 ** 2
/** Of activations as words: two bytes a value, eight for a group of 32 (native/kernels/activation_rows.inl.h). */
const WORD_BYTES = 2 + 8 / 32
/** Keys and values as attention reads them, of as many heads as fit, at least one (native/kernels/prefill_attention.inl.h). */
const PANEL_BUDGET = 32 * 1024 ** 2
const PANEL_TOKENS = 64
/** Words around a part of the prompt that is repeated, with room for the closing tokens of a template. */
const REPLAY_WORDS = 64
/** Scratch grows to more than was asked for, so that it grows seldom (native/base/stream.cc). */
const SCRATCH_ROOM = 5 / 4

type Widths = Pick<
  ModelConfig,
  'hiddenSize' | 'intermediateSize' | 'queryHeads' | 'kvHeads' | 'headDim' | 'vocabSize'
> &
  Partial<Pick<ModelConfig, 'architecture' | 'block'>>

/**
 * Bytes that a prefill takes at its peak beside weights and caches, all in float32: the hidden states and
 * one layer's keys (before the rotary embedding too where something reads them so) and values for every token, with what is
 * measured of them; queries, attention and MLP rows for a chunk of tokens; keys and values of some heads as attention reads
 * them, or the chunk's rows as words; logits of one.
 */
export const prefillPeakBytes = (config: Widths, tokens: number, held: Held = {}): number =>
  promptBytes(config, tokens, held) + scratchBytes(config, tokens, held)

/** What plans make a prefill hold. */
export interface Held {
  /** Keys before the rotary embedding; left out: they count. */
  readonly keysBefore?: boolean
  /** Layers whose keys and values wait for the last one, as those that share slots do; left out: the one that runs. */
  readonly heldLayers?: number
  /** Whether the prompt is repeated: as many tokens again. */
  readonly replays?: boolean
  /** Of all layers held: sums, kept queries and scores. */
  readonly observedBytes?: number
  /** Whether a layer is measured after attention, by keys as panels of a head; and from queries before the rotary embedding. */
  readonly observes?: boolean
  readonly queriesBefore?: boolean
  /** Whether attention reads keys and values in 16 bits, as `bf16-fast` does. */
  readonly fast?: boolean
}

/** What a prompt holds between the chunks of a layer. */
export function promptBytes(
  { hiddenSize, queryHeads, kvHeads, headDim }: Widths,
  tokens: number,
  held: Held = {},
): number {
  const { keysBefore = true, heldLayers = 1, observedBytes = 0, queriesBefore = false } = held
  const { all, rows } = streamOf(tokens, held)
  const layers = (keysBefore ? 3 : 2) * heldLayers * kvHeads * headDim
  const chunk = queriesBefore ? CHUNK_TOKENS * queryHeads * headDim : 0
  return 4 * (all * hiddenSize + rows * layers + chunk) + observedBytes
}

/** Tokens that pass the layers, and rows of keys and values: each part that is repeated takes the place of the one before. */
function streamOf(tokens: number, { replays = false }: Held) {
  if (!replays) return { all: tokens, rows: tokens }
  const parts = Math.ceil(tokens / REPLAY_TOKENS)
  return {
    all: 2 * tokens + parts * REPLAY_WORDS,
    rows: tokens + Math.min(tokens, REPLAY_TOKENS) + REPLAY_WORDS,
  }
}

/** What steps share: kept once it is there. */
export function scratchBytes(config: Widths, tokens: number, held: Held = {}): number {
  const { hiddenSize, queryHeads, kvHeads, headDim, vocabSize } = config
  const chunk = chunkRows(tokens, held)
  const streams = addsThroughBuffer(config) ? 2 : 1
  const heads = (2 * queryHeads + 2 * kvHeads) * headDim + queryHeads
  const perToken = streams * hiddenSize + heads + mlpFloats(config)
  return FIXED_BYTES + 4 * (chunk * perToken + vocabSize) + SCRATCH_ROOM * sharedBytes(config, tokens, held)
}

/** Rows that buffers of a chunk hold; those that grow a little later, for a repetition with its words, grow by a half. */
function chunkRows(tokens: number, { replays = false }: Held): number {
  if (!replays || tokens >= CHUNK_TOKENS) return Math.min(tokens, CHUNK_TOKENS)
  return Math.max(Math.min(tokens + REPLAY_WORDS, CHUNK_TOKENS), 1.5 * tokens)
}

/** Whether a norm or a factor stands between what a half of a layer yields and the stream. */
const addsThroughBuffer = ({ architecture, block }: Widths): boolean => {
  const { attentionNorm, mlpNorm } = architecture?.tensors.layer ?? {}
  return (block?.residualScale ?? 1) !== 1 || attentionNorm !== undefined || mlpNorm !== undefined
}

/** Floats per token in an MLP: gate, up and their product; with experts, the rows of one and every row's choice. */
function mlpFloats({ hiddenSize, intermediateSize, block }: Widths): number {
  if (!block?.experts) return 3 * intermediateSize
  const { intermediateSize: dim, count, chosen, layers } = block.experts
  const experts = 2 * hiddenSize + 3 * dim + 1 + 2 * chosen + count // native/ops/expert_ops.h
  return experts + (layers.every(Boolean) ? 0 : 3 * intermediateSize)
}

/** The most that one op asks for at a time. */
function sharedBytes(config: Widths, tokens: number, held: Held): number {
  const { hiddenSize, intermediateSize, queryHeads, kvHeads, headDim } = config
  const { observes = false, fast = false } = held
  const rows = PANEL_TOKENS * Math.ceil(streamOf(tokens, held).rows / PANEL_TOKENS)
  const head = (fast ? 2 : 4) * rows * (headDim + 16 * Math.ceil(headDim / 16))
  const heads = Math.min(kvHeads, Math.max(1, Math.floor(PANEL_BUDGET / head)))
  const words = WORD_BYTES * Math.max(hiddenSize, queryHeads * headDim, intermediateSize)
  // A statistic takes a head's keys as panels and once more by token, at most.
  const observed = observes ? 4 * rows * (2 * headDim + 4) + 4 * CHUNK_TOKENS * queryHeads : 0
  return Math.max(head * heads, chunkRows(tokens, held) * words, observed)
}

/** Throws KV_MEMORY with the figures when `parts` together exceed what is available. */
export function requireMemory(
  what: string,
  parts: Readonly<Record<string, number>>,
  available: number,
  hint: string,
): void {
  const needed = Object.values(parts).reduce((sum, bytes) => sum + bytes, 0)
  if (needed <= available) return
  const list = Object.entries(parts).map(([name, bytes]) => `${name} ${formatBytes(bytes)}`)
  throw kvError(
    'KV_MEMORY',
    `${what} needs about ${formatBytes(needed)} (${list.join(', ')}), but ${formatBytes(available)} are available.`,
    hint,
  )
}
