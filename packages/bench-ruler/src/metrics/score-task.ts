import { postProcessKvpress, postProcessNone, postProcessOfficial } from './post-process.ts'
import { matchTask, type StringMatch } from './string-match.ts'

/** Whose way of scoring: RULER's, that of QPruningKV and KVCache-Factory, or kvpress's. */
export type ScoringProfile = 'official' | 'qpruningkv' | 'kvcache-factory' | 'kvpress'

export interface TaskScore {
  /** 0 to 100, rounded to 2 digits */
  readonly score: number
  /** empty predictions after post-processing, of all: "3/500", as RULER's summary writes it */
  readonly nulls: string
}

const CLEAN_UP: Readonly<Record<ScoringProfile, (prediction: string) => string>> = {
  official: postProcessOfficial,
  qpruningkv: postProcessNone,
  'kvcache-factory': postProcessNone,
  kvpress: postProcessKvpress,
}

/** The prediction as the profile sees it before it looks for the references. */
export function postProcess(profile: ScoringProfile, prediction: string): string {
  return CLEAN_UP[profile](prediction)
}

/**
 * Score the predictions of one task.
 *
 * @param match the task's metric, `all` or `part`; QPruningKV knows only `all` (and no QA task)
 * @param predictions raw model output, one per sample
 * @param references the expected answers per sample
 * @throws KvError when there are no predictions, counts differ, or a sample has no reference
 */
export function scoreTask(
  profile: ScoringProfile,
  match: StringMatch,
  predictions: readonly string[],
  references: readonly (readonly string[])[],
): TaskScore {
  const cleaned = predictions.map((prediction) => postProcess(profile, prediction))
  const empty = cleaned.filter((prediction) => prediction === '').length
  return { score: matchTask(match, cleaned, references), nulls: `${empty}/${cleaned.length}` }
}
