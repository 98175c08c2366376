import type { ScoreInput } from '@qpkv/spec'

export interface LagOptions {
  readonly sinks: number
  readonly lag: number
  /** Whether scores are compared within a partition or over all of them. */
  readonly compare: 'within' | 'across'
}

/**
 * Rank of each token within its partition by how far it stands out from the next one, keys and values alike; 1 for the
 * sinks, the last full partition and what is behind it. A prompt without two partitions is scored by position.
 * `scored`: tokens that take part, of `tokens` in the prompt.
 */
export function lagScore({ sinks, lag, compare }: LagOptions, tokens: number, scored: number): ScoreInput {
  const partitions = Math.floor((tokens - sinks) / lag)
  if (partitions < 2) return atTheEnds(sinks, 0, ramp(sinks, tokens))
  const spread = (of: 'keys' | 'values'): ScoreInput => ({ stat: 'partition-spread', of, sinks, lag })
  const mean: ScoreInput = {
    op: 'scale',
    factor: 0.5,
    of: [{ op: 'add', of: [spread('keys'), spread('values')] }],
  }
  const ranked: ScoreInput = { op: 'rank-in-blocks', block: lag, skipFirst: sinks, of: [mean] }
  return atTheEnds(
    sinks,
    Math.max(0, scored - sinks - (partitions - 1) * lag),
    compare === 'within' ? ranked : mean,
  )
}

const atTheEnds = (first: number, last: number, of: ScoreInput): ScoreInput => ({
  op: 'constant',
  first,
  last,
  value: 1,
  of: [of],
})

/** From 0 behind the sinks to almost 1 at the end. */
const ramp = (sinks: number, tokens: number): ScoreInput => ({
  op: 'scale',
  factor: 1 / Math.max(1, tokens - sinks),
  of: [{ op: 'scale', factor: 1, offset: -sinks, of: [{ stat: 'position' }] }],
})
