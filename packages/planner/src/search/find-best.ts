import { createRegistry, fullCache } from '@qpkv/spec'
import { fitSpec, fitSpecs, type Candidate, type Frame } from '../candidates/fit-spec.ts'
import { methodChoices } from '../candidates/method-choices.ts'
import { surerFirst } from '../measure/quality.ts'
import type { ResolvedPlanOptions } from '../plan-options.ts'
import { halve, ranked, type Search } from './halve.ts'
import { searchAxes, SEARCH_CASES } from './search-axes.ts'

/** The specs that are judged, at most. */
const BEST = 3

/** What a search found, and all that it measured on the way. */
export interface Found {
  /** Best first; empty where nothing fits. */
  readonly best: readonly Candidate[]
  readonly measured: number
}

/** The best candidates at the frame's budget. When the time is up, the surest of all that were measured by then. */
export async function findBest(
  { candidates: own, registry, measure }: ResolvedPlanOptions,
  frame: Frame,
  search: Search,
): Promise<Found> {
  const full = fitSpec({}, frame)
  if (full) return { best: [full], measured: 1 } // nothing has to be given up
  const seen = new Map<string, Candidate>()
  const watched: Search = {
    ...search,
    onCase: (candidates, what) => {
      for (const one of candidates) seen.set(one.id, one)
      search.onCase(candidates, what)
    },
  }
  const rounds = [
    { cases: 1, keep: 12 },
    { cases: 2, keep: 6 },
    { cases: SEARCH_CASES, keep: BEST },
  ]
  const found = own
    ? await halve(fitSpecs(own, frame), rounds, watched, 'candidates')
    : await searchAxes(methodChoices(registry ?? createRegistry(), isNarrow(frame, measure)), frame, watched)
  const measured = ranked([...seen.values()], search.measurements, SEARCH_CASES, surerFirst)
  const best = search.late() ? measured : found
  return { best: best.slice(0, BEST), measured: Math.max(measured.length, found.length) }
}

/** Whether 32 tokens in 16 bit would take more than an eighth of what is measured. */
const isNarrow = ({ facts, budget, context }: Frame, measure: number): boolean =>
  fullCache(facts, 32).bytes > (budget * measure) / context / 8
