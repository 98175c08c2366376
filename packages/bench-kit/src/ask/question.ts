import type { Facets } from '../result/record.ts'
import type { ReplyRule } from './reply.ts'

/** A prompt to compress and what is asked about it. */
export interface BenchPrompt {
  readonly ids: readonly number[]
  /** Chat: the token after the user's text, which observation windows count back from. */
  readonly userEnd?: number
  /** Each is asked of the compressed prompt alone, never behind another one. */
  readonly questions: readonly Question[]
  /** Instead of questions: a text that follows. Its tokens' logits are compared with those of the full cache (see `followText`). */
  readonly follows?: readonly number[]
}

export interface Question {
  /** Unique within the sample. Default `answer`. */
  readonly id?: string
  readonly facets?: Facets
  /** Appended to the compressed context, without special tokens; empty where the prompt ends with the question. */
  readonly text: string
  readonly expected: string
  readonly rule: ReplyRule
}
