import { choice, names, path, protocol, samples, whole, yesNo } from '@qpkv/bench-kit'
import type { BenchRun, BenchSample, BenchValues } from '@qpkv/bench-kit'
import type { OfficialConfig } from '../data/official-config.ts'
import type { ScoringTools } from '../metrics/score-answer.ts'
import { profiles, type ProfileName } from '../prompt/profiles.ts'
import type { LongBenchInput } from './longbench-input.ts'

export const longBenchOptions = {
  data: path({ doc: 'The official data.zip, its folder, or one .jsonl file (qpkv pull longbench).' }),
  config: path({
    doc: 'Folder with dataset2prompt.json and its kin. Default: beside the data.',
    flag: { value: '<DIR>' },
  }),
  assets: path({
    doc: "Folder with jieba's tables, for Chinese datasets (qpkv pull lexica).",
    flag: { value: '<DIR>' },
  }),
  standIns: yesNo({
    default: false,
    doc: 'Rows of our own words instead: checks the pipeline, no benchmark score.',
  }),
  profile: choice(Object.keys(profiles) as ProfileName[], {
    default: 'official',
    doc: 'Whose way of running LongBench.',
  }),
  datasets: names({ doc: 'hotpotqa, hotpotqa_e, … Default: all of the profile.' }),
  rows: samples({ doc: 'First rows per dataset. Default: all; 2 of the stand-ins.' }),
  protocol: protocol(),
  seed: whole({ min: 0, doc: 'Of the stand-ins. Default 1.' }),
  size: whole({ min: 1, doc: 'Of the stand-ins: sentences of a text. Default 20.' }),
  maxPromptTokens: whole({ min: 2, doc: 'Cut the middle of longer prompts.' }),
  newTokens: whole({ min: 1, doc: "Tokens to generate. Default: the dataset's." }),
}

export type LongBenchValues = BenchValues<typeof longBenchOptions>

/** What asking and scoring need beside a row. */
export interface LongBenchState {
  readonly inputs: readonly LongBenchInput[]
  readonly config: OfficialConfig
  readonly scoring: ScoringTools
  readonly limit: number | undefined
}

export interface LongBenchSample extends BenchSample {
  readonly input: LongBenchInput
}

export type LongBenchRun = BenchRun<typeof longBenchOptions, LongBenchState>
