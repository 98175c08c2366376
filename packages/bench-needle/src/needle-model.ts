import type { BenchReport, BenchTokenizer } from '@qpkv/bench-kit'
import type { CompressionSpec } from '@qpkv/spec'

/** What the needle needs of a model; `@qpkv/core`'s Model satisfies it. */
export interface NeedleModel {
  readonly tokenizer: NeedleTokenizer | undefined
  /** Name of the op table, for the result file. */
  readonly table: string
  prefill(
    prompt: string,
    options: {
      readonly compression: readonly CompressionSpec[]
      readonly signal?: AbortSignal
      /** Text prompts: the tokenizer puts its special tokens around it. Default true. */
      readonly special?: boolean
      readonly onWarning?: () => void
    },
  ): Promise<readonly NeedleContext[]>
  /** Resolves specs without running anything; throws what resolving throws. */
  estimate(tokens: number, specs: readonly CompressionSpec[]): unknown
}

/** What it needs of a tokenizer. */
export type NeedleTokenizer = Pick<BenchTokenizer, 'encode' | 'decode'>

/** A compressed prompt. */
export interface NeedleContext {
  readonly report: BenchReport
  append(text: string, options?: { readonly signal?: AbortSignal }): Promise<void>
  generate(options: {
    readonly maxTokens: number
    readonly temperature: number
    readonly stop?: readonly string[]
    readonly signal?: AbortSignal
  }): { readonly result: Promise<{ readonly text: string }> }
  fork(): NeedleContext
  dispose(): Promise<void>
}
