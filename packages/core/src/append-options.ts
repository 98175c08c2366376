import type { SpecInput } from '@qpkv/spec'
import type { TemplateOptions } from './model/chat-template.ts'

/** How messages are rendered, and how to stop. */
export interface AppendOptions extends TemplateOptions {
  readonly signal?: AbortSignal
  /**
   * What is appended is compressed by a spec of its own, as if it were the prompt: a budget counts its tokens, and what was there
   * stays as it lies. For pruners that score keys and values; see `recompress()`.
   */
  readonly compress?: SpecInput | string
  /** Let the context grow beyond what the model was made for; default: as its prefill was told. */
  readonly allowLongPrompt?: boolean
}
