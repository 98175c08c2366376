import type { Candidate } from '../candidates/fit-spec.ts'
import type { MeasureUntil, Measurements } from '../measure/measurements.ts'
import { betterFirst, surerFirst } from '../measure/quality.ts'

/** One round: how many excerpts everybody is measured on, and how many stay. */
export interface Round {
  readonly cases: number
  readonly keep: number
}

/** What a search shares. */
export interface Search extends MeasureUntil {
  readonly measurements: Measurements
  /** Called before an excerpt is measured. */
  readonly onCase: (candidates: readonly Candidate[], what: string) => void
}

/**
 * Successive halving: all are measured on few excerpts, the best on more. When the time is up, even within an excerpt, those stay of which anything
 * is known, the surest first.
 * K. Jamieson, A. Talwalkar, "Non-stochastic best arm identification and hyperparameter optimization", 2016.
 */
export async function halve(
  candidates: readonly Candidate[],
  rounds: readonly Round[],
  search: Search,
  what: string,
): Promise<Candidate[]> {
  const { measurements } = search
  let left = [...candidates]
  for (const { cases, keep } of rounds) {
    if (left.length <= keep) continue
    for (let at = 0; at < cases; at++) {
      search.onCase(left, what)
      await measurements.measure(left, at, search)
      if (search.late()) return ranked(left, measurements, cases, surerFirst).slice(0, keep)
    }
    left = ranked(left, measurements, cases).slice(0, keep)
  }
  return left
}

/** Best first, by the first `cases` excerpts; those of which nothing is known, or that failed there, are left out. */
export function ranked(
  candidates: readonly Candidate[],
  measurements: Measurements,
  cases: number,
  order: typeof betterFirst = betterFirst,
): Candidate[] {
  const excerpts = Array.from({ length: cases }, (_, at) => at)
  return candidates
    .flatMap((candidate) => {
      const quality = measurements.quality(candidate, excerpts)
      return quality ? [{ candidate, quality }] : []
    })
    .sort((a, b) => order(a.quality, b.quality) || a.candidate.bytes - b.candidate.bytes)
    .map(({ candidate }) => candidate)
}
