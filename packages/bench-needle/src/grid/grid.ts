import { pythonRound } from '@qpkv/bench-kit'
import { KvError } from '@qpkv/spec'

export interface LengthOptions {
  readonly from: number
  /** Included when the steps hit it: 1000 to 8001 by 100 ends at 8000, 71 lengths. */
  readonly to: number
  readonly step: number
}

/** Lengths in tokens: `from`, `from + step`, … up to `to`. Throws KV_INVALID_OPTION for an empty or endless grid. */
export function lengthGrid({ from, to, step }: LengthOptions): number[] {
  const sound = [from, to, step].every((value) => Number.isInteger(value) && value > 0) && to >= from
  if (!sound) {
    throw new KvError(
      'KV_INVALID_OPTION',
      `Expected whole numbers with 0 < from <= to and step > 0 but received from ${from}, to ${to}, step ${step}.`,
      { hint: 'For instance --from 1000 --to 8001 --step 100.' },
    )
  }
  return Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, i) => from + i * step)
}

/** `linear`: evenly spaced and rounded. `sigmoid`: denser at both ends. */
export type DepthSchedule = 'linear' | 'sigmoid'

/** Depths in per cent from 0 to 100: ten of them are 0 11 22 33 44 56 67 78 89 100. */
export function depthGrid(count: number, schedule: DepthSchedule = 'linear'): number[] {
  if (!Number.isInteger(count) || count < 1) {
    throw new KvError(
      'KV_INVALID_OPTION',
      `Expected a whole number of depths, at least 1, but received ${count}.`,
    )
  }
  const places = Array.from({ length: count }, (_, i) => (count === 1 ? 0 : (i * 100) / (count - 1)))
  return places.map((place) => (schedule === 'linear' ? pythonRound(place) : logistic(place)))
}

/** The ends stay, between them 100 / (1 + exp(-0.1 (x - 50))), three decimals. */
function logistic(place: number): number {
  if (place === 0 || place === 100) return place
  return pythonRound((100 / (1 + Math.exp(-0.1 * (place - 50)))) * 1000) / 1000
}
