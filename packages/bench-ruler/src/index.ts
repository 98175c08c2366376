export { ruler, ruler as default } from './ruler.ts'
export { loadAssets } from './assets/load-assets.ts'
export { parseTemplates } from './assets/parse-templates.ts'
export type { RulerAssets, RulerTemplates, TaskTemplate } from './assets/ruler-assets.ts'
export { loadOwnAssets, ownAssetsFolder } from './own-assets.ts'
export { RUN_PROFILES, taskRule } from './run-profile.ts'
export type { RunProfile } from './run-profile.ts'

export { generateTask } from './tasks/generate-task.ts'
export type { GenerateOptions, RulerScripts, TokenCounter } from './tasks/generator-context.ts'
export { readHotpotQa, readSquad } from './tasks/question-set.ts'
export type { Question, QuestionSet } from './tasks/question-set.ts'
export { rulerRowLine } from './tasks/ruler-row.ts'
export type { CurrentRow, Row2024, RulerRow } from './tasks/ruler-row.ts'
export {
  isRulerTask,
  QPRUNINGKV_NEW_TOKENS,
  RULER_TASKS,
  TASK_DEFINITIONS,
} from './tasks/task-definitions.ts'
export type { RulerTask, TaskDefinition, TaskFamily } from './tasks/task-definitions.ts'

export { findRulerFiles } from './readers/find-ruler-files.ts'
export type { RulerFile } from './readers/find-ruler-files.ts'
export { readPredictions } from './readers/read-predictions.ts'
export type { RulerPrediction } from './readers/read-predictions.ts'
export { readRulerJsonl } from './readers/read-ruler-jsonl.ts'
export { readRulerParquet } from './readers/read-ruler-parquet.ts'
export type { RulerSample } from './readers/ruler-sample.ts'
export { splitQuestion } from './readers/split-question.ts'
export type { SplitPrompt } from './readers/split-question.ts'

export { lengthTable } from './metrics/length-table.ts'
export type { LengthRow, LengthScore } from './metrics/length-table.ts'
export { EFFECTIVE_LENGTH_THRESHOLD, summarizeLengths } from './metrics/ruler-summary.ts'
export type { RulerSummary } from './metrics/ruler-summary.ts'
export { postProcess, scoreTask } from './metrics/score-task.ts'
export type { ScoringProfile, TaskScore } from './metrics/score-task.ts'
export { matchSample } from './metrics/string-match.ts'
export type { StringMatch } from './metrics/string-match.ts'

export { loadPunktParameters, parsePunktJson } from './punkt/punkt-parameters.ts'
export type { PunktParameters } from './punkt/punkt-parameters.ts'
export { punktSplitter } from './punkt/punkt-splitter.ts'
export { splitSimply } from './punkt/simple-splitter.ts'

export { NumpyRandomState } from './python/numpy-random-state.ts'
export { PythonRandom } from './python/python-random.ts'
export type { Sequence } from './python/python-random.ts'
export { randomUuid } from './python/python-uuid.ts'

export { generatedInputs, type GeneratedOptions } from './run/generated-inputs.ts'
export { maxPromptTokens, type PromptRules } from './run/prompt-of.ts'
export { readInputs, type ReadOptions } from './run/read-inputs.ts'
export type { RulerInput } from './run/ruler-input.ts'
export { rulerScores } from './run/ruler-scores.ts'
export { rulerTable } from './run/ruler-table.ts'
