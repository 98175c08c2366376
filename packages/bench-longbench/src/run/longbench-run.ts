import type { BenchModel, BenchProtocol, NamedSpec, Progress, ResultWriter } from '@qpkv/bench-kit'
import type { OfficialConfig } from '../data/official-config.ts'
import type { DatasetFacts } from '../data/datasets.ts'
import type { LongBenchRow } from '../data/row.ts'
import type { ScoringTools } from '../metrics/score-answer.ts'
import type { ProfileName } from '../prompt/profiles.ts'

/** A row, its dataset, and where it was read. */
export interface LongBenchInput {
  readonly row: LongBenchRow
  readonly dataset: DatasetFacts
  /** From the `_e` file. */
  readonly even: boolean
  /** `file:line`, for messages. */
  readonly place: string
}

/** How rows are put to a model. */
export interface LongBenchRules {
  readonly profile: ProfileName
  readonly protocol: BenchProtocol
  /** Longest prompt in tokens, in place of the profile's. */
  readonly maxPromptTokens?: number
  /** Tokens of an answer at most, in place of the dataset's. */
  readonly newTokens?: number
}

export interface RunLongBenchOptions {
  readonly model: BenchModel
  /** Path or name of the model; the profiles' limits and wraps go by it. */
  readonly modelName: string
  readonly inputs: readonly LongBenchInput[]
  readonly config: OfficialConfig
  readonly rules: LongBenchRules
  readonly specs: readonly NamedSpec[]
  readonly writer: ResultWriter
  readonly tools?: ScoringTools
  readonly workers?: number
  readonly signal?: AbortSignal
  readonly progress?: Progress
  /** Default `continue`: a row that fails is recorded with file and line, the rest goes on. */
  readonly onError?: 'stop' | 'continue'
}
