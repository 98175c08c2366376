import type { TemplateOptions } from './model/chat-template.ts'
import type { LayerView } from './layer-view.ts'
import type { SpecInput } from '@qpkv/spec'
import type { WarningHandler } from './warnings.ts'

/** How far a prefill is. */
export interface PrefillProgress {
  /** Layers done, and all of them. */
  readonly layer: number
  readonly layers: number
  readonly tokens: number
}

/** How a prompt is read. */
export interface PrefillOptions extends TemplateOptions {
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: PrefillProgress) => void
  /**
   * Called for every layer and spec when its tokens are chosen and stored, to look at what the layer held. The prefill
   * waits for it; an error that it throws ends the prefill.
   */
  readonly onLayer?: (layer: LayerView) => void | Promise<void>
  /** Allow prompts longer than the model was made for. */
  readonly allowLongPrompt?: boolean
  /**
   * Tokens that the context will hold in the end, where that is known; default: those of the prompt. Models with longrope
   * (Phi-3, Phi-4-mini) turn positions otherwise in long texts: a context that is to grow beyond their original length must
   * say so here.
   */
  readonly expectTokens?: number
  /** Text prompts: put the tokenizer's special tokens around it (default true). */
  readonly special?: boolean
  /**
   * Token index after the text that observation windows count back from; default:
   * after the last user turn, or the prompt's end.
   */
  readonly userEnd?: number
  /** What 16 bit means in the cache; default bf16, f32 in the float32 mode. */
  readonly element?: 'bf16' | 'f16'
  /**
   * Exact until memory is short: when another prompt, reply or saved context finds no room, the context is compressed in place by
   * this spec, if it is idle then and those used less lately did not suffice. Its forks do the same. See `recompress()`.
   */
  readonly whenFull?: SpecInput | string
  /** Receives warnings (KV_QUERY_AWARE, KV_NO_BUDGET, KV_EQUAL_SHARES) instead of process.emitWarning. */
  readonly onWarning?: WarningHandler
}
