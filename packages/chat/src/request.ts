import type { CompressionInput, GenerateOptions, Prompt, TokenLogprob } from '@qpkv/core'
import type { Tool, ToolCall, ToolChoice } from './tools/tool.ts'

/** What is asked of a model. */
export interface ReplyRequest {
  /** Messages may have `tool_calls` in OpenAI's form, arguments as JSON text. */
  readonly prompt: Prompt
  readonly tools?: readonly Tool[]
  /** Default `auto`. */
  readonly toolChoice?: ToolChoice
  /** `{ }`: the reply is any JSON value; with `schema`: of this JSON schema. Always in one line. */
  readonly json?: { readonly schema?: unknown }
  readonly generate?: Omit<GenerateOptions, 'signal' | 'constraint'>
  /** Default: the chat's. */
  readonly compression?: CompressionInput
  /** Go on from a kept context, and keep this one; default: the chat's. */
  readonly reuse?: boolean
  /** Several replies to one prompt; default 1. */
  readonly choices?: number
  /** Further variables for the chat template, such as `enable_thinking`. */
  readonly variables?: Readonly<Record<string, unknown>>
  /** A longer prompt is refused before it is read by the model; default: the model's context. */
  readonly maxPromptTokens?: number
  readonly signal?: AbortSignal
}

export type FinishReason = 'stop' | 'length' | 'tool-calls'

/** What happens in a reply, in order. `text` may be empty where log-probabilities are told. */
export type ReplyEvent =
  | { readonly type: 'text'; readonly text: string; readonly logprob?: TokenLogprob }
  | { readonly type: 'call'; readonly call: ToolCall }
  | { readonly type: 'finish'; readonly reason: FinishReason; readonly tokens: number }

/** A prompt that was read, and its replies, each of which is read once. */
export interface Replies {
  readonly promptTokens: number
  /** Of these, tokens that a kept context had already read. */
  readonly cachedTokens: number
  /** Of the caches as they are now; what several replies share is counted for each. */
  readonly cacheBytes: number
  readonly replies: readonly AsyncGenerator<ReplyEvent, void, void>[]
  /** Ends whatever still runs and frees the caches. Safe to call twice. */
  dispose(): Promise<void>
}
