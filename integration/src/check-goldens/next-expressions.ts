import type { ScoreNode } from '@qpkv/spec'

/*
 * The scores of newer pruners as expressions, with the parameter names of the recorded cases.
 */

type Params = Record<string, unknown>
const numberOf = (params: Params, name: string): number => params[name] as number

export const group = (of: ScoreNode): ScoreNode => ({ op: 'group', by: 'mean', of: [of] })
export const scale = (of: ScoreNode, factor: number, offset = 0): ScoreNode => ({
  op: 'scale',
  factor,
  offset,
  of: [of],
})
export const pool = (of: ScoreNode, how: 'max' | 'mean', kernel: number): ScoreNode => ({
  op: 'pool',
  pool: how,
  kernel,
  padding: 'zeros-count',
  of: [of],
})

/** Attention of the last queries. */
export const attentionOf = (last: number, reduce: 'sum' | 'mean' | 'variance'): ScoreNode => ({
  stat: 'attention',
  queries: { last, before: 'prompt-end' },
  mask: 'causal',
  reduce,
})

/** Mean over the window, pooled, mean over the query heads. */
export const windowScore = (params: Params): ScoreNode =>
  group(pool(attentionOf(numberOf(params, 'window_size'), 'mean'), 'mean', numberOf(params, 'kernel_size')))

/** The window's score times what a value does to the hidden state: the second stage. */
export const criticalScore = (base: Params, epsilon: number): ScoreNode => ({
  op: 'multiply',
  of: [scale(windowScore(base), 1, epsilon), group({ stat: 'value-output-norm', norm: 1 })],
})

export function expectedAttention(params: Params): ScoreNode {
  const sinks = numberOf(params, 'n_sink')
  const expected: ScoreNode = group({
    op: 'softmax',
    skipFirst: sinks,
    of: [
      {
        stat: 'expected-attention',
        sinks,
        future: numberOf(params, 'n_future_positions'),
        covariance: params['use_covariance'] === true,
      },
    ],
  })
  if (params['use_vnorm'] !== true) return expected
  return {
    op: 'multiply',
    of: [scale(expected, 1, numberOf(params, 'epsilon')), { stat: 'value-norm', norm: 2 }],
  }
}

/** Ranks within partitions, or the scores themselves; sinks, the last full partition and what is behind it count 1. */
export function lagScore(params: Params, tokens: number): ScoreNode {
  const [sinks, lag] = [numberOf(params, 'n_sink'), numberOf(params, 'lag_size')]
  const spread = (of: 'keys' | 'values'): ScoreNode => ({ stat: 'partition-spread', of, sinks, lag })
  const partitions = Math.floor((tokens - sinks) / lag)
  const mean = scale({ op: 'add', of: [spread('keys'), spread('values')] }, 0.5)
  return {
    op: 'constant',
    first: sinks,
    last: Math.max(0, tokens - sinks - (partitions - 1) * lag),
    value: 1,
    of: [
      params['cross_scoring'] === true
        ? mean
        : { op: 'rank-in-blocks', block: lag, skipFirst: sinks, of: [mean] },
    ],
  }
}

/** Attention in chunks, as sums over queries and as the z-score that is added to that of the leverage. */
export function compactorAttention(params: Params, scored: number): { columns: ScoreNode; z: ScoreNode } {
  const first = 8
  const columns: ScoreNode = {
    stat: 'chunk-attention',
    chunk: numberOf(params, 'chunk_size'),
    mask: 'none',
    logits: 'raw',
    padding: 'zeros',
    first,
    last: 4,
  }
  const weighed: ScoreNode = { op: 'multiply', of: [group(columns), { stat: 'value-norm', norm: 2 }] }
  const z: ScoreNode = {
    op: 'z-score',
    over: 'layer',
    skipFirst: first,
    of: [{ op: 'pool', pool: 'mean', kernel: 3, padding: 'zeros-count', skipFirst: first, of: [weighed] }],
  }
  // Their deviation divides by one value less, over all heads together.
  return { columns, z: scale(z, Math.sqrt((scored - 1) / scored)) }
}
