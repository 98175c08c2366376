import type { ModelConfig } from '../../src/model/config.ts'
import type { Weights } from './random-model.ts'

/**
 * Logits of every position, [tokens][vocab], straight from the formulas in double precision: no cache, no tiles, no sharing of code with
 * the engine but the configuration and the rotary frequencies (which have their own tests).
 */
export function referenceForward(config: ModelConfig, weights: Weights, ids: readonly number[]): number[][] {
  const get = (name: string) => {
    const found = weights.get(name)
    if (!found) throw new Error(`no ${name}`)
    return found.values
  }
  const embed = get('model.embed_tokens.weight')
  let hidden = ids.map((id) => [...embed.subarray(id * config.hiddenSize, (id + 1) * config.hiddenSize)])
  for (let layer = 0; layer < config.layers; layer++) {
    const at = `model.layers.${layer}.`
    const normed = hidden.map((x) => rmsNorm(x, get(`${at}input_layernorm.weight`), config.rmsEpsilon))
    const attended = attention(config, weights, at, normed, config.slidingWindow[layer] ?? 0)
    hidden = hidden.map((x, t) => add(x, linear(attended[t] ?? [], get(`${at}self_attn.o_proj.weight`))))
    hidden = hidden.map((x) => {
      const y = rmsNorm(x, get(`${at}post_attention_layernorm.weight`), config.rmsEpsilon)
      const gate = linear(y, get(`${at}mlp.gate_proj.weight`))
      const up = linear(y, get(`${at}mlp.up_proj.weight`))
      const inner = gate.map((g, i) => (g / (1 + Math.exp(-g))) * (up[i] ?? 0))
      return add(x, linear(inner, get(`${at}mlp.down_proj.weight`)))
    })
  }
  const head = config.tiedHead ? embed : get('lm_head.weight')
  return hidden.map((x) => linear(rmsNorm(x, get('model.norm.weight'), config.rmsEpsilon), head))
}

const add = (a: readonly number[], b: readonly number[]) => a.map((value, i) => value + (b[i] ?? 0))

function rmsNorm(x: readonly number[], weight: Float64Array, epsilon: number): number[] {
  const mean = x.reduce((sum, value) => sum + value * value, 0) / x.length
  return x.map((value, i) => (value / Math.sqrt(mean + epsilon)) * (weight[i] ?? 0))
}

/** weight: [out, in] */
function linear(x: readonly number[], weight: Float64Array, bias?: Float64Array): number[] {
  return Array.from({ length: weight.length / x.length }, (_, row) => {
    let sum = bias?.[row] ?? 0
    for (const [i, value] of x.entries()) sum += value * (weight[row * x.length + i] ?? 0)
    return sum
  })
}

function attention(
  config: ModelConfig,
  weights: Weights,
  at: string,
  x: readonly number[][],
  window: number,
): number[][] {
  const { queryHeads, kvHeads, headDim } = config
  const project = (name: 'q' | 'k' | 'v', heads: number) =>
    x.map((row, t) => {
      const flat = linear(
        row,
        weights.get(`${at}self_attn.${name}_proj.weight`)?.values ?? new Float64Array(),
        weights.get(`${at}self_attn.${name}_proj.bias`)?.values,
      )
      return Array.from({ length: heads }, (_, h) => {
        let head = flat.slice(h * headDim, (h + 1) * headDim)
        const norm = weights.get(`${at}self_attn.${name}_norm.weight`)
        if (norm) head = rmsNorm(head, norm.values, config.rmsEpsilon)
        return name === 'v' ? head : rotate(head, t, config)
      })
    })
  const q = project('q', queryHeads)
  const k = project('k', kvHeads)
  const v = project('v', kvHeads)
  return x.map((_, t) =>
    Array.from({ length: queryHeads }, (_, h) => {
      const shared = Math.floor(h / (queryHeads / kvHeads))
      const first = window > 0 ? Math.max(0, t - window + 1) : 0
      const scores = []
      for (let s = first; s <= t; s++)
        scores.push(dot(q[t]?.[h] ?? [], k[s]?.[shared] ?? []) / Math.sqrt(headDim))
      const top = Math.max(...scores)
      const powers = scores.map((score) => Math.exp(score - top))
      const total = powers.reduce((sum, value) => sum + value, 0)
      return Array.from({ length: headDim }, (_, d) =>
        powers.reduce((sum, value, i) => sum + (value / total) * (v[first + i]?.[shared]?.[d] ?? 0), 0),
      )
    }).flat(),
  )
}

const dot = (a: readonly number[], b: readonly number[]) =>
  a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0)

function rotate(x: readonly number[], position: number, { ropes: [rope], headDim }: ModelConfig): number[] {
  const half = headDim / 2
  return x.map((value, i) => {
    const angle = position * (rope?.inverse[i % half] ?? 0)
    const other = i < half ? -(x[i + half] ?? 0) : (x[i - half] ?? 0)
    return (value * Math.cos(angle) + other * Math.sin(angle)) * (rope?.attentionFactor ?? 1)
  })
}
