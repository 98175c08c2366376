import type { CompressionPlan, CompressionSpec, Json } from '@qpkv/spec'
import { contentHash } from '../content-hash.ts'
import type { RunIdentity } from './record.ts'

export const runIdOf = (identity: RunIdentity): string => contentHash(identity as unknown as Json)

export const specIdOf = (spec: CompressionSpec): string => contentHash(spec as unknown as Json)

export const planIdOf = (plan: CompressionPlan): string => contentHash(plan as unknown as Json)

export const recordIdOf = (runId: string, sample: string, specId: string): string =>
  contentHash([runId, sample, specId])

/** `needle-3f2a….jsonl`: the file that runs with this identity share. */
export const resultFileName = (identity: RunIdentity): string =>
  `${identity.bench}-${runIdOf(identity)}.jsonl`
