import { formatBytes } from '@qpkv/spec'
import { kvError } from '../errors.ts'
import type { ModelConfig } from '../model/config.ts'

/** Tokens that pass a layer at once in prefill (native/engine/layer_forward.h). */
const CHUNK_TOKENS = 512
/** Thread scratch and what the addon takes beside. */
const FIXED_BYTES = 2 * 1024 ** 2
/** Of activations as words: two bytes a value, eight for a group of 32 (native/kernels/word_rows.inl.h). */
const WORD_BYTES = 2 + 8 / 32

type Widths = Pick<
  ModelConfig,
  'hiddenSize' | 'intermediateSize' | 'queryHeads' | 'kvHeads' | 'headDim' | 'vocabSize'
>

/**
 * Bytes that a prefill takes at its peak beside weights and caches, all in float32: the hidden states and
 * one layer's keys (before the rotary embedding too where a plan stores them so) and values for every token; queries, attention
 * and MLP rows for a chunk of tokens, and the widest of them as words; logits of one.
 */
export const prefillPeakBytes = (config: Widths, tokens: number, held: Held = {}): number =>
  promptBytes(config, tokens, held) + scratchBytes(config, tokens)

/** What plans make a prefill hold. */
export interface Held {
  /** Keys before the rotary embedding; left out: they count. */
  readonly keysBefore?: boolean
  /** Layers whose keys and values wait for the last one, as those that share slots do; left out: the one that runs. */
  readonly heldLayers?: number
  /** Whether the prompt is repeated: as many tokens again. */
  readonly replays?: boolean
}

/** What a prompt holds between the chunks of a layer. */
export const promptBytes = (
  { hiddenSize, kvHeads, headDim }: Widths,
  tokens: number,
  { keysBefore = true, heldLayers = 1, replays = false }: Held = {},
): number =>
  4 * (replays ? 2 : 1) * tokens * (hiddenSize + (keysBefore ? 3 : 2) * heldLayers * kvHeads * headDim)

/** What steps share: kept once it is there. */
export function scratchBytes(config: Widths, tokens: number): number {
  const { hiddenSize, intermediateSize, queryHeads, kvHeads, headDim, vocabSize } = config
  const perChunkToken = hiddenSize + (2 * queryHeads + 2 * kvHeads) * headDim + 3 * intermediateSize
  const words = WORD_BYTES * Math.max(hiddenSize, queryHeads * headDim, intermediateSize)
  const chunk = Math.min(tokens, CHUNK_TOKENS)
  return FIXED_BYTES + 4 * (chunk * perChunkToken + vocabSize) + chunk * words
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
