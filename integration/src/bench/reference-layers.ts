import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Rows of one layer, [tokens, heads, headDim]; q and k after the rotary embedding. */
export interface LayerRows {
  readonly q: Float32Array
  readonly k: Float32Array
  readonly v: Float32Array
}

interface Config {
  readonly hidden_size: number
  readonly num_hidden_layers: number
  readonly num_attention_heads: number
  readonly num_key_value_heads: number
  readonly head_dim: number
  readonly rms_norm_eps: number
  readonly rope_theta: number
}

/** A Llama checkpoint in bf16, straight from the formulas in double precision: for its queries, which the engine hands out to nobody. */
export class ReferenceLayers {
  private readonly config: Config
  private readonly tensors: ReadonlyMap<string, Float64Array>

  constructor(folder: string) {
    this.config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as Config
    this.tensors = readTensors(readFileSync(join(folder, 'model.safetensors')))
  }

  /** Queries, keys and values of every layer. */
  run(ids: readonly number[]): LayerRows[] {
    const { hidden_size: hidden, num_hidden_layers: layers } = this.config
    const { num_attention_heads: heads, num_key_value_heads: kvHeads, head_dim: headDim } = this.config
    const embed = this.get('model.embed_tokens.weight')
    const x = new Float64Array(ids.length * hidden)
    for (const [t, id] of ids.entries()) x.set(embed.subarray(id * hidden, (id + 1) * hidden), t * hidden)
    return Array.from({ length: layers }, (_, layer) => {
      const weight = (name: string) => this.get(`model.layers.${layer}.${name}.weight`)
      const normed = this.norm(x, weight('input_layernorm'))
      const q = this.rotate(multiply(normed, weight('self_attn.q_proj'), hidden), heads)
      const k = this.rotate(multiply(normed, weight('self_attn.k_proj'), hidden), kvHeads)
      const v = multiply(normed, weight('self_attn.v_proj'), hidden)
      const attended = attend({ q, k, v }, { tokens: ids.length, heads, kvHeads, headDim })
      add(x, multiply(attended, weight('self_attn.o_proj'), heads * headDim))
      const after = this.norm(x, weight('post_attention_layernorm'))
      const gate = multiply(after, weight('mlp.gate_proj'), hidden)
      const up = multiply(after, weight('mlp.up_proj'), hidden)
      const inner = gate.map((g, i) => (g / (1 + Math.exp(-g))) * up[i]!)
      add(x, multiply(inner, weight('mlp.down_proj'), inner.length / ids.length))
      return { q: Float32Array.from(q), k: Float32Array.from(k), v: Float32Array.from(v) }
    })
  }

  private get(name: string): Float64Array {
    const found = this.tensors.get(name)
    if (!found) throw new Error(`no ${name}`)
    return found
  }

  private norm(x: Float64Array, weight: Float64Array): Float64Array {
    const { hidden_size: hidden, rms_norm_eps: epsilon } = this.config
    const out = new Float64Array(x.length)
    for (let at = 0; at < x.length; at += hidden) {
      let squares = 0
      for (let i = 0; i < hidden; i++) squares += x[at + i]! ** 2
      const factor = 1 / Math.sqrt(squares / hidden + epsilon)
      for (let i = 0; i < hidden; i++) out[at + i] = x[at + i]! * factor * weight[i]!
    }
    return out
  }

  /** rows: [tokens, heads, headDim] from position 0, turned in place, rotate-half form. */
  private rotate(rows: Float64Array, heads: number): Float64Array {
    const { head_dim: headDim, rope_theta: theta } = this.config
    const half = headDim / 2
    for (let row = 0; row < rows.length / headDim; row++)
      for (let i = 0; i < half; i++) {
        const angle = Math.floor(row / heads) * theta ** (-i / half)
        const [a, b] = [rows[row * headDim + i]!, rows[row * headDim + half + i]!]
        rows[row * headDim + i] = a * Math.cos(angle) - b * Math.sin(angle)
        rows[row * headDim + half + i] = b * Math.cos(angle) + a * Math.sin(angle)
      }
    return rows
  }
}

/** x: [rows, inner], weight: [outer, inner]; gives [rows, outer]. */
function multiply(x: Float64Array, weight: Float64Array, inner: number): Float64Array {
  const [rows, outer] = [x.length / inner, weight.length / inner]
  const out = new Float64Array(rows * outer)
  for (let r = 0; r < rows; r++)
    for (let o = 0; o < outer; o++) {
      let sum = 0
      for (let i = 0; i < inner; i++) sum += x[r * inner + i]! * weight[o * inner + i]!
      out[r * outer + o] = sum
    }
  return out
}

function attend(
  { q, k, v }: { readonly [name in 'q' | 'k' | 'v']: Float64Array },
  shape: {
    readonly tokens: number
    readonly heads: number
    readonly kvHeads: number
    readonly headDim: number
  },
): Float64Array {
  const { tokens, heads, kvHeads, headDim } = shape
  const out = new Float64Array(tokens * heads * headDim)
  for (let t = 0; t < tokens; t++)
    for (let h = 0; h < heads; h++) {
      const at = (t * heads + h) * headDim
      const stored = Math.floor((h * kvHeads) / heads)
      const row = (s: number) => (s * kvHeads + stored) * headDim
      const scores = new Float64Array(t + 1)
      for (let s = 0; s <= t; s++) {
        let dot = 0
        for (let i = 0; i < headDim; i++) dot += q[at + i]! * k[row(s) + i]!
        scores[s] = dot / Math.sqrt(headDim)
      }
      const top = scores.reduce((most, score) => Math.max(most, score), -Infinity)
      const powers = scores.map((score) => Math.exp(score - top))
      const total = powers.reduce((sum, power) => sum + power, 0)
      for (let s = 0; s <= t; s++)
        for (let i = 0; i < headDim; i++) out[at + i]! += (powers[s]! / total) * v[row(s) + i]!
    }
  return out
}

function add(x: Float64Array, more: Float64Array): void {
  for (const [i, value] of more.entries()) x[i]! += value
}

/** A safetensors file of bf16. */
function readTensors(file: Buffer): Map<string, Float64Array> {
  const length = Number(file.readBigUInt64LE(0))
  const header = JSON.parse(file.toString('utf8', 8, 8 + length)) as Record<
    string,
    { readonly dtype?: string; readonly data_offsets?: readonly [number, number] }
  >
  const tensors = new Map<string, Float64Array>()
  for (const [name, { dtype, data_offsets: at }] of Object.entries(header)) {
    if (at === undefined) continue
    if (dtype !== 'BF16') throw new Error(`${name}: expected BF16 but received ${dtype ?? 'nothing'}`)
    const words = Uint32Array.from(
      { length: (at[1] - at[0]) / 2 },
      (_, i) =>
      // The upper half of a float32.
      (file.readUInt16LE(8 + length + at[0] + 2 * i) << 16) >>> 0, // prettier-ignore
    )
    tensors.set(name, Float64Array.from(new Float32Array(words.buffer)))
  }
  return tensors
}
