import { codeOf, SCALE_LIMIT, solveZeros } from '@qpkv/reference'
import { solverOf, type ProximalSolver } from '@qpkv/spec'

/** Releases of the original code (mobiusml/hqq) whose rules differ: 0.2.2 (the paper's time) and 0.2.8. */
export type HqqVersion = '0.2.2' | '0.2.8'

/** A block of coded groups. */
export interface HqqGroups {
  /** Per group, as stored: value = (code - zero) * scale. */
  readonly scales: Float32Array
  readonly zeros: Float32Array
  /** [group][member] */
  readonly codes: readonly Uint8Array[]
}

const f = Math.fround

/** Quantizes groups that are one block: the stop test of the solver looks at all of them. `optimize: false` is plain min-max. */
export function quantizeHqq(
  groups: readonly ArrayLike<number>[],
  bits: number,
  version: HqqVersion,
  optimize: boolean,
): HqqGroups {
  const top = 2 ** bits - 1
  const solver = solverOf(`hqq-${version}`) as ProximalSolver
  const starts = groups.map((group) => minMaxStart(group, top, solver.flat))
  const inverse = starts.map((start) => start.inverse)
  const start = starts.map(({ zero }) => zero)
  const zeros = optimize ? solveZeros(groups, inverse, start, bits, solver) : start
  return {
    scales: Float32Array.from(inverse, (s) => 1 / s),
    zeros: Float32Array.from(zeros),
    codes: groups.map((group, g) => Uint8Array.from(group, (x) => codeOf(x, inverse[g]!, zeros[g]!, top))),
  }
}

function minMaxStart(
  group: ArrayLike<number>,
  top: number,
  flatRange: number,
): { inverse: number; zero: number } {
  let low = Infinity
  let high = -Infinity
  for (let i = 0; i < group.length; i++) {
    low = Math.min(low, group[i]!)
    high = Math.max(high, group[i]!)
  }
  const range = f(high - low)
  const flat = flatRange > 0 && Math.abs(range) <= flatRange
  const inverse = flat ? 1 : Math.min(f(top / range), SCALE_LIMIT)
  return { inverse, zero: f(-low * inverse) }
}
