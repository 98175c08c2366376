import type { ModelFacts, Registry } from '@qpkv/spec'
import type { ChatTemplate } from './model/chat-template.ts'
import type { YieldingContexts } from './memory/yielding-contexts.ts'
import type { ModelConfig } from './model/config.ts'
import type { GenerationDefaults } from './model/generation-config.ts'
import type { Tokenizer } from './model/tokenizer.ts'
import type { ModelPrecision, NativeEngine, NativeModel } from './native/addon.ts'
import type { WeightsInUse } from './weights/weights-in-use.ts'

/** What a model is made of; internal. */
export interface ModelParts {
  readonly folder: string
  /** modelIdentity() */
  readonly identity: string
  readonly config: ModelConfig
  readonly facts: ModelFacts
  /** Of the engine, for reports: it says nothing once it is disposed. */
  readonly table: string
  readonly threads: number
  readonly precision: ModelPrecision
  readonly weights: WeightsInUse
  readonly engine: NativeEngine
  readonly native: NativeModel
  readonly tokenizer: Tokenizer | undefined
  readonly chatTemplate: ChatTemplate | undefined
  readonly generation: GenerationDefaults
  readonly registry: Registry | undefined
  readonly memoryLimit: number | undefined
  readonly yielding: YieldingContexts
}
