import type { Json } from '@qpkv/spec'
import type { Facets } from '../result/record.ts'

/** A sample of a benchmark; its prompt is made when it is asked, not before. */
export interface BenchSample {
  /** The same for the same sample in every run. */
  readonly id: string
  /** What groups samples: `{ task: 'vt', length: 4096 }`. */
  readonly facets: Facets
  /** Where it comes from, such as `data.jsonl:12`; stands in the message of a failure. */
  readonly place?: string
  /** Everything that it was read from, where the options do not say it. A file never mixes two contents under one id. */
  readonly content?: Json
  /** Tokens of prompt and answers, near enough to tell minutes from days. */
  readonly size?: { readonly prompt: number; readonly answers: number }
}
