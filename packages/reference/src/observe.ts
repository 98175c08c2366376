import type { AttentionObservation, Observation } from '@qpkv/spec'

/** Queries and keys of one layer after RoPE. */
export interface ObservedTensors {
  /** [queryHeads, tokens, headDim] */
  readonly q: Float32Array
  /** [kvHeads, tokens, headDim] */
  readonly k: Float32Array
  readonly queryHeads: number
  readonly kvHeads: number
  readonly tokens: number
  readonly headDim: number
  /** Size of the masked block under `window-block`: `protect.last`. */
  readonly block?: number
  readonly userEnd?: number
}

/**
 * The reference observation in double: scores [storedHeads, tokens]. Query head h
 * reads KV head floor(h / (queryHeads / kvHeads)).
 */
export function observe(what: Observation, heads: 'kv' | 'query', x: ObservedTensors): Float32Array {
  if (what.what === 'attention') return observeAttention(what, heads, x)
  const stored = heads === 'query' ? x.queryHeads : x.kvHeads
  const scores = new Float32Array(stored * x.tokens)
  if (what.what === 'nothing') return scores
  for (let h = 0; h < stored; h++) {
    const kvHead = Math.floor(h / (stored / x.kvHeads))
    const own = keyScores(what.what, x, kvHead)
    scores.set(own, h * x.tokens)
  }
  return scores
}

/** [tokens]: norms, or cosines with the mean of the head's normalized keys. */
function keyScores(
  what: 'key-norm' | 'key-similarity',
  { k, tokens, headDim }: ObservedTensors,
  head: number,
): number[] {
  const key = (t: number) => k.subarray((head * tokens + t) * headDim, (head * tokens + t + 1) * headDim)
  const norms = Array.from({ length: tokens }, (_, t) => Math.sqrt(key(t).reduce((sum, x) => sum + x * x, 0)))
  if (what === 'key-norm') return norms
  const mean = new Float64Array(headDim)
  for (let t = 0; t < tokens; t++) key(t).forEach((x, d) => (mean[d]! += x / (norms[t]! || 1) / tokens))
  const size = Math.sqrt(mean.reduce((sum, x) => sum + x * x, 0))
  return norms.map((norm, t) => key(t).reduce((sum, x, d) => sum + x * mean[d]!, 0) / (norm * size || 1))
}

function observeAttention(
  what: AttentionObservation,
  heads: 'kv' | 'query',
  x: ObservedTensors,
): Float32Array {
  const { queryHeads, kvHeads, tokens } = x
  const end = what.queries !== 'all' && what.queries.before === 'user-end' ? (x.userEnd ?? tokens) : tokens
  const from = what.queries === 'all' ? 0 : Math.max(0, end - what.queries.last)
  const mass = Array.from({ length: queryHeads }, (_, h) => attentionMass(what, x, h, from, end))
  const factor = what.reduce === 'mean' ? 1 / (end - from) : 1
  const group = heads === 'query' ? 1 : queryHeads / kvHeads
  const stored = queryHeads / group
  const scores = new Float32Array(stored * tokens)
  for (let s = 0; s < stored; s++)
    for (let t = 0; t < tokens; t++) {
      const members = Array.from({ length: group }, (_, g) => mass[s * group + g]![t]!)
      const sum = members.reduce((a, b) => a + b, 0)
      const joined = what.group === 'max' ? Math.max(...members) : what.group === 'mean' ? sum / group : sum
      scores[s * tokens + t] = joined * factor
    }
  return scores
}

/** [tokens]: probabilities that each key receives from the queries `from` <= position < `end` of one query head, summed. */
function attentionMass(
  what: AttentionObservation,
  x: ObservedTensors,
  head: number,
  from: number,
  end: number,
): Float64Array {
  const { q, k, queryHeads, kvHeads, tokens, headDim, block = 0 } = x
  const kvHead = Math.floor(head / (queryHeads / kvHeads))
  const total = new Float64Array(tokens)
  for (let i = from; i < end; i++) {
    const visible = what.mask === 'causal' || i >= tokens - block ? i + 1 : tokens
    const logits = new Float64Array(visible)
    for (let j = 0; j < visible; j++) {
      let dot = 0
      for (let d = 0; d < headDim; d++)
        dot += q[(head * tokens + i) * headDim + d]! * k[(kvHead * tokens + j) * headDim + d]!
      logits[j] = dot / Math.sqrt(headDim)
    }
    const top = logits.reduce((a, b) => Math.max(a, b), -Infinity)
    const weights = logits.map((logit) => Math.exp(logit - top))
    const sum = weights.reduce((a, b) => a + b, 0)
    weights.forEach((w, j) => (total[j]! += w / sum))
  }
  return total
}
