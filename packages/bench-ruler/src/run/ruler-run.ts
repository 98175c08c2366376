import type { BenchModel, BenchProtocol, NamedSpec, Progress, ResultWriter } from '@qpkv/bench-kit'
import type { ScoringProfile } from '../metrics/score-task.ts'
import type { RulerSample } from '../readers/ruler-sample.ts'

/** A sample and the length that its file or the generator names. */
export interface RulerInput {
  readonly sample: RulerSample
  /** tokens as in 4096; 0 where nothing tells */
  readonly length: number
}

/** How samples are put to a model. */
export interface RulerRules {
  readonly profile: ScoringProfile
  readonly protocol: BenchProtocol
  /** longest prompt in tokens, in place of the profile's; longer ones lose their middle */
  readonly maxPromptTokens?: number
  /** in place of the profile's */
  readonly chatTemplate?: boolean
  /** in place of the profile's */
  readonly newTokens?: number
}

export interface RunRulerOptions {
  readonly model: BenchModel
  /** path or name; profiles with limits by model family look at it */
  readonly modelName: string
  readonly inputs: readonly RulerInput[]
  readonly rules: RulerRules
  readonly specs: readonly NamedSpec[]
  readonly writer: ResultWriter
  readonly workers?: number
  readonly signal?: AbortSignal
  readonly progress?: Progress
  /** default `continue`: a sample that fails is recorded with its place, the rest goes on */
  readonly onError?: 'stop' | 'continue'
}
