import type { ProximalSolver } from '@qpkv/spec'
import { roundHalfEven } from './round-float.ts'

/*
 * Half-quadratic quantization (arXiv 2309.15531) in float32: proximal iterations that move only the float zeros.
 * value = (code - zero) * scale.
 */

const f = Math.fround

/** Scales are at least 1 / this. */
export const SCALE_LIMIT = 2e4

/** The code of x under an inverse scale and a zero; `top` is the highest one. */
export const codeOf = (x: number, inverse: number, zero: number, top: number): number =>
  Math.min(top, Math.max(0, roundHalfEven(f(f(x * inverse) + zero))))

/**
 * Zeros of the groups of one block, moved until the mean |x - reading| of the whole block stops falling; those of the
 * worse step are kept, as in the original code. The stop test looks at all groups at once. A group whose inverse scale
 * is infinite is constant: it is stored exactly, takes no part and keeps its zero.
 */
export function solveZeros(
  groups: readonly ArrayLike<number>[],
  inverse: readonly number[],
  start: readonly number[],
  bits: number,
  solver: ProximalSolver,
): number[] {
  const top = 2 ** bits - 1
  const zeros = [...start]
  let beta = solver.beta
  let best = solver.limit ?? Infinity
  let members = 0
  for (const group of groups) members += group.length
  for (let step = 0; step < solver.steps; step++) {
    let error = 0
    const next = groups.map((group, g) => {
      const scale = inverse[g]!
      if (scale === Infinity) return zeros[g]!
      let sum = 0
      for (let i = 0; i < group.length; i++) {
        const x = group[i]!
        const q = codeOf(x, scale, zeros[g]!, top)
        const rest = f(x - f(f(q - zeros[g]!) / scale))
        error += Math.abs(rest)
        sum += f(q - f(f(x - shrink(rest, beta, solver.norm)) * scale))
      }
      return f(sum / group.length)
    })
    for (const [g, zero] of next.entries()) zeros[g] = zero
    beta *= solver.growth
    const mean = f(error / members)
    if (!(mean < best)) break
    best = mean
  }
  return zeros
}

/** Proximal step of the l_norm norm. */
function shrink(x: number, beta: number, norm: number): number {
  const size = Math.abs(x)
  if (size === 0) return 0
  return f(Math.sign(x) * Math.max(0, f(size - f(f(size ** (norm - 1)) / beta))))
}
