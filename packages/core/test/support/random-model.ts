import { join } from 'node:path'
import { writeFileSync } from 'node:fs'
import { roundBf16, roundF16 } from '@qpkv/reference'
import { safetensorsFile, temporaryFolder } from './model-folder.ts'

export type Weights = ReadonlyMap<
  string,
  { readonly shape: readonly number[]; readonly values: Float64Array }
>
export type Element = 'BF16' | 'F16' | 'F32'

/** Uniform numbers in [-1, 1), the same for the same seed. */
function randomNumbers(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    const mixed = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d)
    return ((mixed ^ (mixed >>> 13)) >>> 0) / 2 ** 31 - 1
  }
}

const round: Record<Element, (value: number) => number> = { BF16: roundBf16, F16: roundF16, F32: Math.fround }

/** A Llama of two layers whose every size is small, for `randomModel`. */
export const smallLlama = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  hidden_size: 64,
  intermediate_size: 96,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 32,
  vocab_size: 97,
  rms_norm_eps: 1e-5,
  hidden_act: 'silu',
  rope_theta: 10000,
  max_position_embeddings: 4096,
  bos_token_id: 1,
  eos_token_id: 2,
  tie_word_embeddings: true,
}

/** Writes a model folder of random weights; returns it with the weights as they are stored. */
export function randomModel(
  config: Record<string, unknown>,
  element: Element,
  seed: number,
): { folder: string; weights: Weights } {
  const random = randomNumbers(seed)
  const weights = new Map<string, { shape: number[]; values: Float64Array }>()
  for (const [name, shape] of shapes(config)) {
    const size = shape.reduce((product, n) => product * n, 1)
    const norm = name.includes('norm')
    const scale = shape.length === 2 && !name.includes('embed') ? 2.5 / Math.sqrt(shape[1] ?? 1) : 1
    const value = () => (norm ? 1 + 0.3 * random() : scale * random())
    weights.set(name, { shape, values: Float64Array.from({ length: size }, () => round[element](value())) })
  }
  const folder = temporaryFolder({ 'config.json': JSON.stringify(config) })
  writeFileSync(join(folder, 'model.safetensors'), encode(weights, element))
  return { folder, weights }
}

function shapes(config: Record<string, unknown>): [string, number[]][] {
  const n = (name: string) => config[name] as number
  const hidden = n('hidden_size')
  const headDim = n('head_dim')
  const queries = n('num_attention_heads') * headDim
  const keys = n('num_key_value_heads') * headDim
  const type = config['model_type']
  const all: [string, number[]][] = [
    ['model.embed_tokens.weight', [n('vocab_size'), hidden]],
    ['model.norm.weight', [hidden]],
  ]
  if (config['tie_word_embeddings'] !== true) all.push(['lm_head.weight', [n('vocab_size'), hidden]])
  for (let layer = 0; layer < n('num_hidden_layers'); layer++) {
    const at = `model.layers.${layer}`
    const attention: [string, number[]][] = [
      ['q_proj.weight', [queries, hidden]],
      ['k_proj.weight', [keys, hidden]],
      ['v_proj.weight', [keys, hidden]],
      ['o_proj.weight', [hidden, queries]],
    ]
    if (type === 'qwen2')
      attention.push(['q_proj.bias', [queries]], ['k_proj.bias', [keys]], ['v_proj.bias', [keys]])
    if (type === 'qwen3') attention.push(['q_norm.weight', [headDim]], ['k_norm.weight', [headDim]])
    all.push(
      [`${at}.input_layernorm.weight`, [hidden]],
      [`${at}.post_attention_layernorm.weight`, [hidden]],
      ...attention.map(([name, shape]): [string, number[]] => [`${at}.self_attn.${name}`, shape]),
      [`${at}.mlp.gate_proj.weight`, [n('intermediate_size'), hidden]],
      [`${at}.mlp.up_proj.weight`, [n('intermediate_size'), hidden]],
      [`${at}.mlp.down_proj.weight`, [hidden, n('intermediate_size')]],
    )
  }
  return all
}

function encode(weights: Weights, element: Element): Uint8Array {
  const bytes = element === 'F32' ? 4 : 2
  const header: Record<string, unknown> = {}
  let end = 0
  for (const [name, { shape, values }] of weights) {
    header[name] = { dtype: element, shape, data_offsets: [end, end + values.length * bytes] }
    end += values.length * bytes
  }
  const file = safetensorsFile(header, end)
  const view = new DataView(file.buffer, file.byteOffset + file.length - end, end)
  let at = 0
  for (const { values } of weights.values())
    for (const value of values) {
      if (element === 'F32') view.setFloat32(at, value, true)
      else view.setUint16(at, element === 'BF16' ? bf16Bits(value) : f16Bits(value), true)
      at += bytes
    }
  return file
}

const scratch = new DataView(new ArrayBuffer(4))

function bf16Bits(value: number): number {
  scratch.setFloat32(0, value)
  return scratch.getUint16(0)
}

/** Of a value that f16 holds exactly. */
function f16Bits(value: number): number {
  const sign = value < 0 ? 0x8000 : 0
  const size = Math.abs(value)
  if (size < 2 ** -14) return sign | Math.round(size * 2 ** 24)
  const exponent = Math.floor(Math.log2(size))
  return sign | ((exponent + 15) << 10) | Math.round((size / 2 ** exponent - 1) * 1024)
}
