import { roundHalfEven } from './round-float.ts'

/*
 * Half-quadratic quantization (HQQ, mobiusml/hqq) in float32: a min-max start, then proximal iterations that move
 * only the float zero. value = (code - zero) * scale.
 */

/** Releases whose rules differ: 0.2.2 (the paper's time) raises beta by kappa in every step, 0.2.8 does not. */
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
const norm = 0.7
const firstBeta = 10
const kappa = 1.01
const iterations = 20
const scaleLimit = 2e4

/** Quantizes groups that are one block: the stop test of the solver looks at all of them. `optimize: false` is plain min-max. */
export function quantizeHqq(
  groups: readonly ArrayLike<number>[],
  bits: number,
  version: HqqVersion,
  optimize: boolean,
): HqqGroups {
  const top = 2 ** bits - 1
  const starts = groups.map((group) => minMaxStart(group, top, version))
  const inverse = starts.map((start) => start.inverse)
  const zeros = starts.map((start) => start.zero)
  const code = (g: number, x: number) => codeOf(x, inverse[g]!, zeros[g]!, top)
  if (optimize) refineZeros(groups, inverse, zeros, code, version)
  return {
    scales: Float32Array.from(inverse, (s) => 1 / s),
    zeros: Float32Array.from(zeros),
    codes: groups.map((group, g) => Uint8Array.from(group, (x) => code(g, x))),
  }
}

/**
 * Zeros of a block's groups refined for given inverse scales, from the min-max start; for packed
 * formats, whose scales are rounded first. A group whose inverse scale is infinite is constant: it is
 * stored exactly, takes no part and keeps its zero.
 */
export function solveZeros(
  groups: readonly ArrayLike<number>[],
  inverse: readonly number[],
  start: readonly number[],
  bits: number,
  version: HqqVersion,
): number[] {
  const top = 2 ** bits - 1
  const zeros = [...start]
  refineZeros(groups, inverse, zeros, (g, x) => codeOf(x, inverse[g]!, zeros[g]!, top), version)
  return zeros
}

const codeOf = (x: number, inverse: number, zero: number, top: number) =>
  Math.min(top, Math.max(0, roundHalfEven(f(f(x * inverse) + zero))))

function minMaxStart(
  group: ArrayLike<number>,
  top: number,
  version: HqqVersion,
): { inverse: number; zero: number } {
  let low = Infinity
  let high = -Infinity
  for (let i = 0; i < group.length; i++) {
    low = Math.min(low, group[i]!)
    high = Math.max(high, group[i]!)
  }
  const range = f(high - low)
  const flat = version === '0.2.8' && Math.abs(range) <= 1e-4
  const inverse = flat ? 1 : Math.min(f(top / range), scaleLimit)
  return { inverse, zero: f(-low * inverse) }
}

/**
 * Moves the zeros until the mean |x - reading| of the whole block stops falling; the
 * zeros of the worse step are kept, as in the code.
 */
function refineZeros(
  groups: readonly ArrayLike<number>[],
  inverse: readonly number[],
  zeros: number[],
  code: (group: number, x: number) => number,
  version: HqqVersion,
): void {
  let beta = firstBeta
  let best = version === '0.2.2' ? 1e4 : Infinity
  let members = 0
  for (const group of groups) members += group.length
  for (let step = 0; step < iterations; step++) {
    let error = 0
    const next = groups.map((group, g) => {
      const scale = inverse[g]!
      if (scale === Infinity) return zeros[g]!
      let sum = 0
      for (let i = 0; i < group.length; i++) {
        const x = group[i]!
        const q = code(g, x)
        const rest = f(x - f(f(q - zeros[g]!) / scale))
        error += Math.abs(rest)
        sum += f(q - f(f(x - shrink(rest, beta)) * scale))
      }
      return f(sum / group.length)
    })
    for (const [g, zero] of next.entries()) zeros[g] = zero
    if (version === '0.2.2') beta *= kappa
    const mean = f(error / members)
    if (!(mean < best)) return
    best = mean
  }
}

/** Proximal step of the l_0.7 norm. */
function shrink(x: number, beta: number): number {
  const size = Math.abs(x)
  if (size === 0) return 0
  return f(Math.sign(x) * Math.max(0, f(size - f(f(size ** (norm - 1)) / beta))))
}
