import type { StringMatch } from '../metrics/string-match.ts'

/** RULER's 13 tasks, in the order of its synthetic.yaml. */
export const RULER_TASKS = [
  'niah_single_1',
  'niah_single_2',
  'niah_single_3',
  'niah_multikey_1',
  'niah_multikey_2',
  'niah_multikey_3',
  'niah_multivalue',
  'niah_multiquery',
  'vt',
  'cwe',
  'fwe',
  'qa_1',
  'qa_2',
] as const

export type RulerTask = (typeof RULER_TASKS)[number]

/** The five scripts behind the tasks; names are those of the official templates. */
export type TaskFamily =
  'niah' | 'variable_tracking' | 'common_words_extraction' | 'freq_words_extraction' | 'qa'

export interface TaskDefinition {
  readonly family: TaskFamily
  readonly metric: StringMatch
  /** tokens the model may generate; counted in the length of a sample */
  readonly newTokens: number
}

const NIAH: TaskDefinition = { family: 'niah', metric: 'all', newTokens: 128 }
const QA: TaskDefinition = { family: 'qa', metric: 'part', newTokens: 32 }

export const TASK_DEFINITIONS: Readonly<Record<RulerTask, TaskDefinition>> = {
  niah_single_1: NIAH,
  niah_single_2: NIAH,
  niah_single_3: NIAH,
  niah_multikey_1: NIAH,
  niah_multikey_2: NIAH,
  niah_multikey_3: NIAH,
  niah_multivalue: NIAH,
  niah_multiquery: NIAH,
  vt: { family: 'variable_tracking', metric: 'all', newTokens: 30 },
  cwe: { family: 'common_words_extraction', metric: 'all', newTokens: 120 },
  fwe: { family: 'freq_words_extraction', metric: 'all', newTokens: 50 },
  qa_1: QA,
  qa_2: QA,
}

/** QPruningKV and KVCache-Factory let every task generate this many tokens. */
export const QPRUNINGKV_NEW_TOKENS = 64

export function isRulerTask(name: string): name is RulerTask {
  return RULER_TASKS.some((task) => task === name)
}
