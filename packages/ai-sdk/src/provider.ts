import type { LanguageModelV4 } from '@ai-sdk/provider'
import { Chat, type ChatOptions } from '@qpkv/chat'
import type { Model } from '@qpkv/core'
import { QpkvLanguageModel } from './language-model.ts'

/** A model for `generateText`, `streamText` and the others. Dispose it when it is done; the loaded model stays. */
export interface QpkvModel extends LanguageModelV4 {
  dispose(): Promise<void>
}

/**
 * A loaded model as a language model of the AI SDK, in this process.
 * @param options how prompts are compressed, and bytes of caches kept for prompts that begin like earlier ones
 */
export function qpkv(model: Model, options: ChatOptions & { readonly modelId?: string } = {}): QpkvModel {
  const { modelId = 'qpkv', ...rest } = options
  const chat = new Chat(model, rest)
  return Object.assign(new QpkvLanguageModel(chat, modelId), { dispose: () => chat.dispose() })
}
