import { KvError } from '@qpkv/spec'
import type { LayerPlan, Smoothing } from '@qpkv/spec'
import { shareAmongHeads } from './share-among-heads.ts'

/*
 * The reference selection: what every engine's observe -> smooth -> select must give, written for reading. Scores are float32;
 * sums of a pooling run in double and are rounded once.
 */

/** The fields of a layer's plan that decide which tokens stay. */
export type SelectionPlan = Pick<LayerPlan, 'tokens' | 'protect' | 'prefer' | 'order' | 'smooth'>

/** Pools one head's scores along the tokens. Shape [tokens] in and out; stride 1, the window centered, clipped at the ends. */
export function smoothScores(scores: Float32Array, smooth: Smoothing): Float32Array {
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

/**
 * The scores that selection compares: of tokens before the last `protect.last`,
 * pooled. `scores` [heads, tokens] -> [heads][scored].
 */
export function pooledScores(
  scores: Float32Array,
  heads: number,
  tokens: number,
  plan: SelectionPlan,
): Float32Array[] {
  const scored = Math.max(0, tokens - plan.protect.last)
  return Array.from({ length: heads }, (_, h) => {
    const own = scores.slice(h * tokens, h * tokens + scored)
    const bad = own.findIndex((s) => Number.isNaN(s))
    if (bad >= 0) throw new KvError('KV_NUMERIC', `The score of head ${h}, token ${bad} is not a number.`)
    return plan.smooth ? smoothScores(own, plan.smooth) : own
  })
}

/**
 * Kept positions per head, in storage order. `scores` [heads, tokens] as observed; undefined stands for equal
 * scores. Candidates are the last `candidates` positions (all by default; fewer under a sliding window). Ties go to
 * the lower position. Throws KV_NUMERIC for NaN.
 */
export function selectTokens(
  scores: Float32Array | undefined,
  heads: number,
  tokens: number,
  plan: SelectionPlan,
  candidates: number = tokens,
): Int32Array[] {
  const begin = tokens - Math.min(candidates, tokens)
  const keep = Math.min(plan.tokens.perHead, tokens - begin)
  const lastBegin = Math.max(begin, tokens - plan.protect.last)
  const firstEnd = Math.min(Math.max(begin, plan.protect.first), lastBegin)
  const pooled = pooledScores(scores ?? new Float32Array(heads * tokens), heads, tokens, plan)
  const sign = plan.prefer === 'lowest' ? -1 : 1
  const range = (from: number, to: number) =>
    Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i)
  const first = range(begin, firstEnd)
  const last = range(lastBegin, tokens)
  const equal = Math.max(0, keep - first.length - last.length)
  const candidatesOf = (own: Float32Array) => own.slice(firstEnd, lastBegin).map((score) => sign * score)
  const places =
    plan.tokens.pool === 'layer'
      ? shareAmongHeads(pooled.map(candidatesOf), equal, plan.tokens)
      : pooled.map(() => equal)
  return pooled.map((own, head) => {
    const best = range(firstEnd, lastBegin)
      .sort((a, b) => sign * (own[b]! - own[a]!) || a - b)
      .slice(0, places[head])
    const order = plan.order === 'score' ? best : best.sort((a, b) => a - b)
    return Int32Array.from([...first, ...order, ...last])
  })
}
