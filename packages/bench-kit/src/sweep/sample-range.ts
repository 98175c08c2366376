import { KvError } from '@qpkv/spec'

/** Samples [from, to) of a run, in its order. */
export interface SampleRange {
  readonly from: number
  readonly to: number
}

/** One of `count` equal parts; `index` counts from 0. */
export interface Shard {
  readonly index: number
  readonly count: number
}

/** A shard's part of a range: parts lie behind one another, cover it, and differ by one sample at most. */
export function shardRange({ from, to }: SampleRange, { index, count }: Shard): SampleRange {
  const at = (part: number) => from + Math.floor(((to - from) * part) / count)
  return { from: at(index), to: at(index + 1) }
}

/** Throws KvError KV_INVALID_OPTION for a range that a run of so many samples does not have. */
export function checkRange({ from, to }: SampleRange, samples: number): void {
  const count = (value: number) => Number.isSafeInteger(value) && value >= 0
  if (count(from) && count(to) && from <= to && to <= samples) return
  throw new KvError(
    'KV_INVALID_OPTION',
    `Expected samples { from, to } between 0 and the run's ${samples} but received ${JSON.stringify({ from, to })}.`,
  )
}
