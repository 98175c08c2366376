import { KvError } from '../errors.ts'
import type { ScoreNode } from '../plan/score.ts'
import type { Reading } from '../plan/statistic.ts'
import { statistics } from '../plan/statistics.ts'

/** What a cache and its newest queries can stand for. */
const held: readonly Reading[] = ['queries', 'keys', 'values']

/** How many queries a score looks at; KV_UNSUPPORTED for one that decode cannot measure. */
export function newestQueries(score: ScoreNode, path: string): number {
  if (!('stat' in score)) return Math.max(...score.of.map((part) => newestQueries(part, path)))
  const { reads } = Object.values(statistics).find(({ name }) => name === score.stat)!
  const missing = reads.find((reading) => !held.includes(reading))
  if (missing !== undefined)
    throw new KvError(
      'KV_UNSUPPORTED',
      `${path}: the statistic '${score.stat}' reads ${missing}, which a cache does not hold; it cannot be measured anew in decode.`,
    )
  const queries = 'queries' in score ? score.queries : undefined
  if (queries === 'all')
    throw new KvError(
      'KV_UNSUPPORTED',
      `${path}: the statistic '${score.stat}' looks at all queries; decode keeps the newest only.`,
      { hint: 'Say how many: queries: { last: 8, before: "prompt-end" }.' },
    )
  return queries?.last ?? 0
}
