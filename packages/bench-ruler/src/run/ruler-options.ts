import {
  choice,
  names,
  path,
  protocol,
  samples,
  whole,
  wholes,
  yesNo,
  type BenchValues,
} from '@qpkv/bench-kit'
import type { ScoringProfile } from '../metrics/score-task.ts'
import { RUN_PROFILES } from '../run-profile.ts'
import { RULER_TASKS } from '../tasks/task-definitions.ts'

export const rulerOptions = {
  data: path({
    doc: 'Official files: LENGTH/TASK.jsonl, TASK/validation.jsonl or parquet. Without it samples are made.',
    flag: { value: '<DIR>' },
  }),
  assets: path({
    doc: 'Texts and words that samples are made of. Default: own stand-ins, no RULER score.',
    flag: { value: '<DIR>' },
  }),
  profile: choice(Object.keys(RUN_PROFILES) as ScoringProfile[], {
    default: 'official',
    doc: 'Whose way of running RULER; scores of different profiles are not comparable.',
  }),
  tasks: names({ known: RULER_TASKS, doc: 'Default: all of the profile.' }),
  lengths: wholes({
    min: 64,
    doc: 'Tokens of prompt and answer. Default 4096, or all that the data have.',
    flag: { name: '--length' },
  }),
  samples: samples({ default: 500, doc: 'Per task and length.' }),
  protocol: protocol(),
  seed: whole({ min: 0, default: 42, doc: 'Same seed, same samples.' }),
  maxPromptTokens: whole({ min: 2, doc: 'Cut the middle of longer prompts.' }),
  newTokens: whole({ min: 1, doc: "Tokens to generate. Default: the task's." }),
  chatTemplate: yesNo({
    doc: "Through the model's chat template, or as raw text. Default: as the profile does.",
    flag: { name: '--no-chat-template', sets: false },
  }),
}

export type RulerValues = BenchValues<typeof rulerOptions>
