import type { Candidate } from '../candidates/fit-spec.ts'
import type { Measurements } from '../measure/measurements.ts'
import { betterFirst } from '../measure/quality.ts'

/** One round: how many excerpts everybody is measured on, and how many stay. */
export interface Round {
  readonly cases: number
  readonly keep: number
}

/** What a search shares. */
export interface Search {
  readonly measurements: Measurements
  readonly signal: AbortSignal
  /** Called before an excerpt is measured. */
  readonly onCase: (specs: number, what: string) => void
  readonly onMeasured: (candidates: readonly Candidate[]) => void
  /** Whether there is no time for a further excerpt. */
  readonly late: () => boolean
}

/**
 * Successive halving: all are measured on few excerpts, the best on more. A round for which there is no time is left out; those that came
 * best out of the last one stand.
 * K. Jamieson, A. Talwalkar, "Non-stochastic best arm identification and hyperparameter optimization", 2016.
 */
export async function halve(
  candidates: readonly Candidate[],
  rounds: readonly Round[],
  search: Search,
  what: string,
): Promise<Candidate[]> {
  let left = [...candidates]
  for (const { cases, keep } of rounds) {
    if (left.length <= keep) continue
    for (let at = 0; at < cases; at++) {
      if (search.late()) return at > 0 ? ranked(left, search.measurements, at) : left
      search.onCase(left.length, what)
      await search.measurements.measure(
        left.map(({ spec }) => spec),
        at,
        search.signal,
      )
      search.onMeasured(left)
    }
    left = ranked(left, search.measurements, cases).slice(0, keep)
  }
  return left
}

/** Best first, by the first `cases` excerpts; those that failed there are left out. */
function ranked(candidates: readonly Candidate[], measurements: Measurements, cases: number): Candidate[] {
  const excerpts = Array.from({ length: cases }, (_, at) => at)
  return candidates
    .flatMap((candidate) => {
      const quality = measurements.quality(candidate.spec, excerpts)
      return quality ? [{ candidate, quality }] : []
    })
    .sort((a, b) => betterFirst(a.quality, b.quality) || a.candidate.bytes - b.candidate.bytes)
    .map(({ candidate }) => candidate)
}
