import type { PoolOperation } from '@qpkv/spec'

/** Pools one head's scores along the tokens. Shape [tokens] in and out; stride 1, the window centered, clipped at the ends. */
export function smoothScores(
  scores: Float32Array,
  smooth: Pick<PoolOperation, 'pool' | 'kernel' | 'padding'>,
): Float32Array {
  const { pool, kernel, padding } = smooth
  const half = (kernel - 1) / 2
  return scores.map((_, t) => {
    const from = Math.max(0, t - half)
    const to = Math.min(scores.length, t + half + 1)
    if (pool === 'max') return scores.subarray(from, to).reduce((best, s) => Math.max(best, s), -Infinity)
    let sum = 0
    for (let i = from; i < to; i++) sum += scores[i]!
    return sum / (padding === 'zeros-count' ? kernel : to - from)
  })
}
