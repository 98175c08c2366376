import { SeededRandom } from '@qpkv/bench-kit'
import { median } from '../bench/measure.ts'

/** One thing that is timed in every round. */
export interface Lane {
  readonly name: string
  readonly measure: () => Promise<number>
}

export interface Interval {
  readonly low: number
  readonly high: number
}

/** The figures of some lanes, taken in turn. */
export interface Rounds {
  /** Per lane, one value a round that counts. */
  readonly values: ReadonlyMap<string, readonly number[]>
  readonly counted: number
  /** Rounds in which the host did not give two cores. */
  readonly dropped: number
}

export interface RoundLimits {
  readonly least: number
  readonly most: number
  /** The two lanes that are the same; rounds are added until their interval is `width` wide at most. */
  readonly same: readonly [string, string]
  readonly width: number
  /** Does the host give its cores right now? */
  readonly good: () => Promise<boolean>
}

/** How far apart two identical lanes may seem before nothing of that run is believed. */
const SAME_WITHIN = 0.03
/** What no clock or page count here resolves: an interval that ends so near to 1 holds it. */
const RESOLUTION = 0.005

/**
 * All lanes once a round, after one round that does not count. The order turns, and every second round runs backwards, so that no lane always
 * follows the same other one. How many rounds there are depends on the spread of the two identical lanes alone, never on what the others show.
 */
export async function runRounds(lanes: readonly Lane[], limits: RoundLimits): Promise<Rounds> {
  const values = new Map(lanes.map(({ name }) => [name, [] as number[]]))
  let counted = 0
  let dropped = 0
  for (const lane of lanes) await lane.measure()
  while (counted < limits.most && dropped < limits.most) {
    const before = await limits.good()
    const at = counted + dropped
    const turn = Math.floor(at / 2) % lanes.length
    const turned = [...lanes.slice(turn), ...lanes.slice(0, turn)]
    const inOrder = at % 2 === 0 ? turned : turned.reverse()
    const round: [string, number][] = []
    for (const { name, measure } of inOrder) round.push([name, await measure()])
    if (!before || !(await limits.good())) {
      dropped++
      continue
    }
    counted++
    for (const [name, value] of round) values.get(name)?.push(value)
    if (counted < limits.least) continue
    const { low, high } = ratioInterval(values.get(limits.same[0]) ?? [], values.get(limits.same[1]) ?? [])
    if (high - low <= limits.width) break
  }
  return { values, counted, dropped }
}

/** 95 % interval of the ratio of medians, rounds resampled as pairs; seeded. */
export function ratioInterval(above: readonly number[], below: readonly number[]): Interval {
  const random = new SeededRandom(1)
  const ratios = Array.from({ length: 2000 }, () => {
    const picked = above.map(() => random.below(above.length))
    return median(picked.map((i) => above[i] ?? NaN)) / median(picked.map((i) => below[i] ?? NaN))
  }).sort((a, b) => a - b)
  return { low: ratios[49] ?? NaN, high: ratios[1949] ?? NaN }
}

/** Whether two identical lanes came out equal: their interval holds 1, to half a percent, and lies within 3 % of it. */
export const holdsOne = ({ low, high }: Interval): boolean =>
  low <= 1 + RESOLUTION && high >= 1 - RESOLUTION && low >= 1 - SAME_WITHIN && high <= 1 + SAME_WITHIN
