import { canonicalJson } from '@qpkv/bench-kit'
import type { Json, SpecInput } from '@qpkv/spec'
import type { Candidate } from '../candidates/fit-spec.ts'

/** One spec per storage that candidates use, without pruning: what has to be timed to predict them. A tier is its method at its width. */
export function decodeStorages(candidates: readonly Candidate[]): SpecInput[] {
  const storages = new Map<string, SpecInput>()
  for (const { spec } of candidates) {
    const { quantize, tiers, layers } = spec
    const widths = tiers ? tiers.map(({ bits }) => ({ quantize: { ...quantize, bits } })) : [{ quantize }]
    for (const one of widths) {
      const storage = { ...one, ...(layers && { layers }) }
      storages.set(canonicalJson(storage as unknown as Json), storage)
    }
  }
  return [...storages.values()]
}
