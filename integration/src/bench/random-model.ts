import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'

/** A Llama shape for measurements; says nothing about quality. */
export interface Shape {
  readonly layers: number
  readonly hidden: number
  readonly queryHeads: number
  readonly kvHeads: number
  readonly headDim: number
  readonly intermediate: number
  readonly vocab: number
}

/** 1B parameters: 16 layers, d 2048, 32/8 heads of 64, ffn 8192. */
export const oneBillion: Shape = {
  layers: 16,
  hidden: 2048,
  queryHeads: 32,
  kvHeads: 8,
  headDim: 64,
  intermediate: 8192,
  vocab: 32000,
}

/** Multiply-adds of the matrix products per prompt token, times two; attention apart. */
export const linearFlops = (s: Shape): number =>
  2 * s.layers * s.hidden * (2 * s.queryHeads * s.headDim + 2 * s.kvHeads * s.headDim + 3 * s.intermediate)

/** QK^T and PV of a causal prompt of `tokens` tokens. */
export const attentionFlops = (s: Shape, tokens: number): number =>
  2 * 2 * s.layers * s.queryHeads * s.headDim * ((tokens * tokens) / 2)

function tensors(s: Shape): [name: string, shape: [number, number] | [number], scale: number][] {
  const q = s.queryHeads * s.headDim
  const kv = s.kvHeads * s.headDim
  const matrix = (name: string, rows: number, columns: number): [string, [number, number], number] => [
    name,
    [rows, columns],
    1 / Math.sqrt(columns),
  ]
  const layers = Array.from({ length: s.layers }, (_, i) => `model.layers.${i}`).flatMap((p) => [
    matrix(`${p}.self_attn.q_proj.weight`, q, s.hidden),
    matrix(`${p}.self_attn.k_proj.weight`, kv, s.hidden),
    matrix(`${p}.self_attn.v_proj.weight`, kv, s.hidden),
    matrix(`${p}.self_attn.o_proj.weight`, s.hidden, q),
    matrix(`${p}.mlp.gate_proj.weight`, s.intermediate, s.hidden),
    matrix(`${p}.mlp.up_proj.weight`, s.intermediate, s.hidden),
    matrix(`${p}.mlp.down_proj.weight`, s.hidden, s.intermediate),
    [`${p}.input_layernorm.weight`, [s.hidden], 0] as [string, [number], number],
    [`${p}.post_attention_layernorm.weight`, [s.hidden], 0] as [string, [number], number],
  ])
  return [
    matrix('model.embed_tokens.weight', s.vocab, s.hidden),
    ...layers,
    ['model.norm.weight', [s.hidden], 0],
  ]
}

const bf16 = (value: number): number => {
  const bits = new Uint32Array(new Float32Array([value]).buffer)[0] ?? 0
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16
}

/** Half a megabyte of normal bf16 values with the given deviation, repeated over the tensors; a deviation of 0 means ones. */
function pattern(scale: number): Uint8Array {
  const values = new Uint16Array(1 << 18)
  let state = 88172645463325252n
  const uniform = () => {
    state = BigInt.asUintN(64, state ^ (state << 13n))
    state ^= state >> 7n
    state = BigInt.asUintN(64, state ^ (state << 17n))
    return (Number(state >> 11n) + 0.5) / 2 ** 53
  }
  for (let i = 0; i < values.length; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(uniform())) * scale
    const angle = 2 * Math.PI * uniform()
    values[i] = scale === 0 ? 0x3f80 : bf16(radius * Math.cos(angle))
    values[i + 1] = scale === 0 ? 0x3f80 : bf16(radius * Math.sin(angle))
  }
  return new Uint8Array(values.buffer)
}

/** Writes config.json and model.safetensors (bf16, tied head, no tokenizer) of a random model into `folder`. */
export function writeRandomModel(folder: string, shape: Shape): void {
  mkdirSync(folder, { recursive: true })
  const config = {
    model_type: 'llama',
    architectures: ['LlamaForCausalLM'],
    hidden_act: 'silu',
    hidden_size: shape.hidden,
    intermediate_size: shape.intermediate,
    num_hidden_layers: shape.layers,
    num_attention_heads: shape.queryHeads,
    num_key_value_heads: shape.kvHeads,
    head_dim: shape.headDim,
    vocab_size: shape.vocab,
    rms_norm_eps: 1e-5,
    rope_theta: 500000,
    max_position_embeddings: 131072,
    tie_word_embeddings: true,
    torch_dtype: 'bfloat16',
  }
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config))
  let offset = 0
  const header: Record<string, unknown> = {}
  const list = tensors(shape)
  for (const [name, dimensions] of list) {
    const bytes = dimensions.reduce((product, n) => product * n, 2)
    header[name] = { dtype: 'BF16', shape: dimensions, data_offsets: [offset, offset + bytes] }
    offset += bytes
  }
  const text = JSON.stringify(header)
  const json = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  const file = openSync(join(folder, 'model.safetensors'), 'w')
  try {
    writeSync(file, length)
    writeSync(file, json)
    const patterns = new Map<number, Uint8Array>()
    for (const [, dimensions, scale] of list) {
      const block = patterns.get(scale) ?? pattern(scale)
      patterns.set(scale, block)
      let left = dimensions.reduce((product, n) => product * n, 2)
      while (left > 0) left -= writeSync(file, block, 0, Math.min(left, block.length))
    }
  } finally {
    closeSync(file)
  }
}
