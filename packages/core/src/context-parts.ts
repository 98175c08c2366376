import type { CompressionPlan, SpecInput } from '@qpkv/spec'
import type { ModelParts } from './model-parts.ts'
import type { NativeContext } from './native/addon.ts'
import type { TokenizedPrompt } from './prompt/tokenize-prompt.ts'
import type { Recompressed } from './recompress/recompress-context.ts'
import type { ResolvedSpec } from './resolve-all.ts'
import type { WarningHandler } from './warnings.ts'

/** What a context is made of; internal. */
export interface ContextParts {
  readonly model: ModelParts
  readonly native: NativeContext
  readonly spec: Pick<
    ResolvedSpec,
    'spec' | 'plan' | 'spentNominal' | 'spentBytes' | 'windowedLayers' | 'promptPasses' | 'recipe' | 'canary'
  >
  readonly plan: CompressionPlan
  readonly kept: readonly (readonly number[])[]
  /** [layers][storedHeads]: positions that prefill kept, in storage order. */
  readonly keptPositions: readonly (readonly Int32Array[])[]
  readonly simulatedBytes: number | undefined
  readonly prompt: TokenizedPrompt
  readonly prefillMs: number
  readonly onWarning: WarningHandler | undefined
  /** Tokens that the prefill was told to expect, at least those of the prompt. */
  readonly expected: number
  /** How it is compressed in place where others need its memory. */
  readonly whenFull?: SpecInput | string
  readonly yielded?: boolean
  /** Every time that it was compressed again. */
  readonly recompressed?: readonly Recompressed[]
  /** Tokens at most; Infinity where the prompt was allowed to be longer than the model was made for. */
  readonly limit: number
}
