import type { RulerTask } from '../tasks/task-definitions.ts'

/** A sample as the benchmark runs it, whichever file it came from. */
export interface RulerSample {
  readonly task: RulerTask
  /** row within its file, from 0; the `index` field of official niah rows is no row number */
  readonly row: number
  /** the prompt, without the answer prefix where the file keeps that apart */
  readonly input: string
  /** what the model is made to continue; empty where the prompt ends with it already (2024 files) */
  readonly answerPrefix: string
  readonly outputs: readonly string[]
  /** tokens of prompt and answer by the maker's tokenizer, where the file tells */
  readonly length?: number
  /** tokens to generate, where the file tells */
  readonly newTokens?: number
  /** where the file says which part of the prompt is the question: `input` is context + question */
  readonly split?: { readonly context: string; readonly question: string }
  /** `file:line` (JSON lines) or `file:row n` (parquet) */
  readonly place: string
}
