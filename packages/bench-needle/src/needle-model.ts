import type { CompressionPlan, CompressionSpec } from '@qpkv/spec'

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

export interface NeedleTokenizer {
  encode(text: string, options?: { readonly special?: boolean }): number[]
  decode(ids: readonly number[], options?: { readonly special?: boolean }): string
}

/** A compressed prompt. */
export interface NeedleContext {
  readonly report: NeedleReport
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

/** The fields of a context's report that records hold. */
export interface NeedleReport {
  readonly plan: CompressionPlan
  readonly promptTokens: number
  readonly keptPerHead: number
  readonly bits: { readonly nominal: number; readonly true: number }
  readonly bytes: {
    readonly planned: number
    readonly allocated: number
    readonly grown: number
    readonly simulated?: number
  }
  readonly fullBytes: number
  readonly spentNominal: number
  readonly spentBytes: number
  readonly timings: { readonly prefillMs: number; readonly decodeMs: number; readonly decodeTokens: number }
}
