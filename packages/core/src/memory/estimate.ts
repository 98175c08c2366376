import { formatBytes } from '@qpkv/spec'
import { kvError } from '../errors.ts'
import type { ModelConfig } from '../model/config.ts'

/** Tokens that pass a layer at once in prefill (native/engine/layer_forward.h). */
const CHUNK_TOKENS = 512
/** Thread scratch and what the addon takes beside. */
const FIXED_BYTES = 16 * 1024 ** 2

type Widths = Pick<
  ModelConfig,
  'hiddenSize' | 'intermediateSize' | 'queryHeads' | 'kvHeads' | 'headDim' | 'vocabSize'
>

/**
 * Bytes that a prefill takes at its peak beside weights and caches, all in float32: the hidden states and
 * one layer's keys (before and after the rotary embedding) and values for every token; queries, attention
 * and MLP rows for a chunk of tokens; logits of one.
 */
export const prefillPeakBytes = (config: Widths, tokens: number): number =>
  promptBytes(config, tokens) + scratchBytes(config, tokens)

/** What a prompt holds between the chunks of a layer. */
export const promptBytes = ({ hiddenSize, kvHeads, headDim }: Widths, tokens: number): number =>
  4 * tokens * (hiddenSize + 3 * kvHeads * headDim)

/** What steps share: kept once it is there. */
export function scratchBytes(config: Widths, tokens: number): number {
  const { hiddenSize, intermediateSize, queryHeads, kvHeads, headDim, vocabSize } = config
  const perChunkToken = 2 * hiddenSize + (2 * queryHeads + 2 * kvHeads) * headDim + 3 * intermediateSize
  return FIXED_BYTES + 4 * (Math.min(tokens, CHUNK_TOKENS) * perChunkToken + vocabSize)
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
