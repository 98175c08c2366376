import type { MethodRef, SpecInput } from '@qpkv/spec'
import { fitSpecs, type Candidate, type Frame } from '../candidates/fit-spec.ts'
import type { MethodChoices } from '../candidates/method-choices.ts'
import { halve, type Search } from './halve.ts'

/** Excerpts that the search looks at; what is judged in the end is measured on others. */
export const SEARCH_CASES = 4

/**
 * The full product of four axes is thousands of specs. They are searched one after the other, each by halving: pruners at one storage; the best
 * pruners, and none, at every storage; allocators, sharings and tiers around the best of these, one at a time.
 */
export async function searchAxes(choices: MethodChoices, frame: Frame, search: Search): Promise<Candidate[]> {
  const fit = (inputs: readonly SpecInput[]) => fitSpecs(inputs, frame)
  const middle = choices.quantizers.find((ref) => ref['bits'] === 4) ??
    choices.quantizers[0] ?? { method: 'none' }
  const pruners = await halve(
    fit(choices.pruners.map((prune) => ({ prune, quantize: middle }))),
    [
      { cases: 1, keep: 8 },
      { cases: 2, keep: 4 },
    ],
    search,
    'pruners',
  )
  const best: MethodRef[] = [{ method: 'none' }, ...pruners.map(({ spec }) => spec.prune)]
  const stored = await halve(
    fit(best.flatMap((prune) => choices.quantizers.map((quantize) => ({ prune, quantize })))),
    [
      { cases: 1, keep: 16 },
      { cases: 2, keep: 4 },
    ],
    search,
    'storage',
  )
  const around = stored
    .slice(0, 2)
    .flatMap(({ spec }) => [
      ...choices.allocators.map((allocate) => ({ ...spec, allocate })),
      ...choices.sharings.map((share) => ({ ...spec, share })),
      ...choices.tiers.map((tiers) => ({ ...spec, tiers })),
    ])
  return halve(
    fit([...stored.map(({ spec }) => spec), ...around]),
    [
      { cases: 2, keep: 8 },
      { cases: SEARCH_CASES, keep: 3 },
    ],
    search,
    'layers, heads and tiers',
  )
}
