import { isPlainObject, type CompressionPlan, type CompressionSpec, type Json } from '@qpkv/spec'
import { contentHash } from '../content-hash.ts'
import type { RunIdentity } from './record.ts'

/** Ids are content hashes: equal content, equal id, in every version that can read the file. */
export const runIdOf = (identity: RunIdentity): string => contentHash(identity as unknown as Json)

/** Id of a spec as it was given, with no defaults filled in. */
export const specIdOf = (spec: CompressionSpec): string => contentHash(spec as unknown as Json)

/** Id of a plan after selection. */
export const planIdOf = (plan: CompressionPlan): string => contentHash(plan as unknown as Json)

/** Id of one sample under one spec in one run. */
export const recordIdOf = (runId: string, sample: string, specId: string): string =>
  contentHash([runId, sample, specId])

/**
 * `needle-query-aware-2048-seed1-3f2a….jsonl`: the file that runs with this identity share. The hash tells everything apart, the words before it
 * are for people.
 */
export function resultFileName(identity: RunIdentity): string {
  const { options } = identity.task
  const { protocol, lengths, seed } = isPlainObject(options) ? options : {}
  const range = Array.isArray(lengths) ? [...new Set([lengths[0], lengths.at(-1)])].join('to') : undefined
  const { weights } = identity.model
  const words = [protocol, range, typeof seed === 'number' ? `seed${seed}` : undefined, weights]
  return `${[identity.bench, ...words.filter((word) => typeof word === 'string'), runIdOf(identity)].join('-')}.jsonl`
}
