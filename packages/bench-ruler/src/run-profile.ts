import type { ScoringProfile } from './metrics/score-task.ts'
import type { StringMatch } from './metrics/string-match.ts'
import {
  QPRUNINGKV_NEW_TOKENS,
  RULER_TASKS,
  TASK_DEFINITIONS,
  type RulerTask,
} from './tasks/task-definitions.ts'

/** How a published code base runs RULER; scores of different profiles are not comparable. */
export interface RunProfile {
  readonly name: ScoringProfile
  /** version of the scripts behind its data; in `2024-04` files the prompt holds the answer prefix */
  readonly scripts: 'current' | '2024-04'
  readonly tasks: readonly RulerTask[]
  /** whether the prompt goes through the model's chat template, the answer prefix after the assistant header */
  readonly chatTemplate: 'model' | 'none'
  /**
   * Longest prompt in tokens by model family; a longer one loses its middle: the first and the last half of the limit
   * are kept. Null: nothing is cut.
   */
  readonly truncation: Readonly<Record<'llama3' | 'mistral', number>> | null
  /** what ends a reply: the tokenizer's end of text alone, or everything that the model's files name */
  readonly stop: 'eos' | 'model'
  /** tokens by name that also end it, where the tokenizer has them */
  readonly stopTokens: readonly string[]
  /** 1: the first token must not end the reply (min_length = prompt + 1) */
  readonly minNewTokens: 0 | 1
}

const WITHOUT_QA = RULER_TASKS.filter((task) => TASK_DEFINITIONS[task].family !== 'qa')

/** Read at the commits that the reference names: RULER 2026-07, QPruningKV 2025-01, KVCache-Factory 2026-07, kvpress 2026-08. */
export const RUN_PROFILES: Readonly<Record<ScoringProfile, RunProfile>> = {
  official: {
    name: 'official',
    scripts: 'current',
    tasks: RULER_TASKS,
    chatTemplate: 'model',
    truncation: null,
    stop: 'model',
    stopTokens: [],
    minNewTokens: 0,
  },
  qpruningkv: {
    name: 'qpruningkv',
    scripts: '2024-04',
    tasks: WITHOUT_QA,
    chatTemplate: 'none',
    truncation: { llama3: 7950, mistral: 31_500 },
    stop: 'eos',
    stopTokens: [],
    minNewTokens: 1,
  },
  'kvcache-factory': {
    name: 'kvcache-factory',
    scripts: '2024-04',
    tasks: WITHOUT_QA,
    chatTemplate: 'none',
    truncation: { llama3: 7500, mistral: 31_500 },
    stop: 'model',
    stopTokens: ['<|eot_id|>', '<|end_of_text|>'],
    minNewTokens: 1,
  },
  kvpress: {
    name: 'kvpress',
    scripts: 'current',
    tasks: RULER_TASKS,
    chatTemplate: 'model',
    truncation: null,
    stop: 'model',
    stopTokens: [],
    minNewTokens: 0,
  },
}

/** Tokens to generate and metric of a task under a profile. */
export function taskRule(
  profile: ScoringProfile,
  task: RulerTask,
): { newTokens: number; metric: StringMatch } {
  const { newTokens, metric } = TASK_DEFINITIONS[task]
  const raw = profile === 'qpruningkv' || profile === 'kvcache-factory'
  return raw ? { newTokens: QPRUNINGKV_NEW_TOKENS, metric: 'all' } : { newTokens, metric }
}
