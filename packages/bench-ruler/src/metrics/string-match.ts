import { expected } from '@qpkv/spec'
import { pythonRound } from '@qpkv/bench-kit'
import { sumInOrder } from '../python/sum-in-order.ts'

/** `all`: the share of the references that the prediction holds. `part`: 1 if it holds any. */
export type StringMatch = 'all' | 'part'

/**
 * RULER's score of one sample, 0 to 1: references are looked for as substrings, without regard to case. The
 * prediction must be post-processed already. An empty reference is found everywhere, as in Python.
 */
export function matchSample(match: StringMatch, prediction: string, references: readonly string[]): number {
  if (references.length === 0) {
    throw expected('at least one expected answer', 'references of a sample', '[]')
  }
  const lowered = prediction.toLowerCase()
  const hits = references.filter((reference) => lowered.includes(reference.toLowerCase())).length
  if (match === 'part') return hits > 0 ? 1 : 0
  return hits / references.length
}

/** RULER's `string_match_all` / `string_match_part` of a task: mean over samples x 100, rounded to 2 digits. */
export function matchTask(
  match: StringMatch,
  predictions: readonly string[],
  references: readonly (readonly string[])[],
): number {
  if (predictions.length === 0 || predictions.length !== references.length) {
    const counts = `${predictions.length} predictions, ${references.length} references`
    throw expected('one or more, as many as references', 'predictions of a task', counts)
  }
  const scores = predictions.map((prediction, index) =>
    matchSample(match, prediction, references[index] ?? []),
  )
  return pythonRound((sumInOrder(scores) / scores.length) * 100, 2)
}
