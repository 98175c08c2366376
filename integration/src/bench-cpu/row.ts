import { median } from '../bench/measure.ts'
import { holdsOne, ratioInterval, type Interval, type Rounds } from './paired.ts'

/** Ratios of the peer's time to ours that are asked for: at least, and hoped for. */
export type Target = readonly [required: number, wanted: number]

/** One line of the table. Times are milliseconds, memory MiB. */
export interface Row {
  readonly name: string
  readonly ours: number
  readonly peer?: number
  /** The peer's figure over ours, of medians: above 1 ours is faster or smaller. */
  readonly ratio?: number
  /** 95 % of that ratio; of three pairs or fewer, their range. */
  readonly interval?: Interval
  /** Two identical lanes of ours in the same rounds; missing where pairs are too few for it. */
  readonly same?: Interval
  readonly rounds: number
  readonly dropped: number
  /** Quartiles of ours, as shares of the median. */
  readonly spread?: Interval
  /** false: the identical lanes differ, or too few rounds counted; then the ratio says nothing. */
  readonly measured: boolean
  readonly target?: Target | undefined
}

/** Names of the lanes of every paired row. */
export const OURS = 'ours'
export const AGAIN = 'ours again'
export const PEER = 'peer'

/** The row of paired rounds over `ours`, `ours again` and, where there is one, `peer`. */
export function pairedRow(name: string, least: number, rounds: Rounds, target?: Target): Row {
  const ours = rounds.values.get(OURS) ?? []
  const again = rounds.values.get(AGAIN) ?? []
  const peer = rounds.values.get(PEER)
  const same = ratioInterval(ours, again)
  const middle = median(ours)
  const sorted = [...ours].sort((a, b) => a - b)
  const quartile = (share: number) => (sorted[Math.round(share * (sorted.length - 1))] ?? NaN) / middle
  return {
    name,
    ours: middle,
    ...(peer && {
      peer: median(peer),
      ratio: median(peer) / middle,
      interval: ratioInterval(peer, ours),
    }),
    same,
    rounds: rounds.counted,
    dropped: rounds.dropped,
    spread: { low: quartile(0.25), high: quartile(0.75) },
    measured: rounds.counted >= least && holdsOne(same),
    target,
  }
}

/** A row of a few pairs, too long for more: their range stands for an interval. */
export function fewPairsRow(
  name: string,
  pairs: readonly (readonly [ours: number, peer: number])[],
  target?: Target,
): Row {
  const ratios = pairs.map(([ours, peer]) => peer / ours)
  const ours = median(pairs.map(([value]) => value))
  const peer = median(pairs.map(([, value]) => value))
  return {
    name,
    ours,
    peer,
    ratio: peer / ours,
    interval: { low: Math.min(...ratios), high: Math.max(...ratios) },
    rounds: pairs.length,
    dropped: 0,
    measured: pairs.length > 0,
    target,
  }
}
