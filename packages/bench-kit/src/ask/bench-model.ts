import type { CompressionPlan, CompressionSpec } from '@qpkv/spec'

/** What a benchmark needs of a model; `@qpkv/core`'s Model satisfies it. */
export interface BenchModel {
  readonly config: { readonly contextTokens: number }
  readonly tokenizer: BenchTokenizer | undefined
  readonly chatTemplate: BenchChatTemplate | undefined
  /** Token ids that end a reply by the model's own files. */
  readonly generationDefaults: { readonly stopTokens: readonly number[] }
  prefill(
    prompt: readonly number[],
    options: {
      readonly compression: readonly CompressionSpec[]
      readonly signal?: AbortSignal
      /** Token index that observation windows count back from; the prompt's end unless given. */
      readonly userEnd?: number
      readonly onWarning?: () => void
    },
  ): Promise<readonly BenchContext[]>
  /** Resolves specs without running anything; throws what resolving throws. */
  estimate(tokens: number, specs: readonly CompressionSpec[]): unknown
}

export interface BenchTokenizer {
  encode(text: string, options?: { readonly special?: boolean }): number[]
  decode(ids: readonly number[], options?: { readonly special?: boolean }): string
  idOf(token: string): number | undefined
  readonly specialTokens: Readonly<Record<string, string>>
}

export interface BenchChatTemplate {
  render(messages: readonly { readonly role: 'user'; readonly content: string }[]): Promise<string>
}

/** A compressed prompt. */
export interface BenchContext {
  readonly report: BenchReport
  append(input: string | readonly number[], options?: { readonly signal?: AbortSignal }): Promise<void>
  /** Adds tokens and gives the logits after each, [ids, vocab]. */
  appendLogits(ids: readonly number[], options?: { readonly signal?: AbortSignal }): Promise<Float32Array>
  /** Of the next token, [vocab]. */
  logits(): Promise<Float32Array>
  generate(options: {
    readonly maxTokens: number
    readonly temperature: number
    readonly stop?: readonly string[]
    readonly stopTokens?: readonly number[]
    readonly signal?: AbortSignal
  }): { readonly result: Promise<{ readonly text: string }> }
  fork(): BenchContext
  dispose(): Promise<void>
}

/** The fields of a context's report that records hold. */
export interface BenchReport {
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
