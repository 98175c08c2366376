import type { ModelFacts, Registry } from '@qpkv/spec'
import type { ChatTemplate } from './model/chat-template.ts'
import type { ModelConfig } from './model/config.ts'
import type { GenerationDefaults } from './model/generation-config.ts'
import type { Tokenizer } from './model/tokenizer.ts'
import type { ModelPrecision, NativeEngine, NativeModel } from './native/addon.ts'

/** What a model is made of; internal. */
export interface ModelParts {
  readonly folder: string
  readonly config: ModelConfig
  readonly facts: ModelFacts
  readonly precision: ModelPrecision
  readonly engine: NativeEngine
  readonly native: NativeModel
  readonly tokenizer: Tokenizer | undefined
  readonly chatTemplate: ChatTemplate | undefined
  readonly generation: GenerationDefaults
  readonly registry: Registry | undefined
  readonly memoryLimit: number | undefined
}
