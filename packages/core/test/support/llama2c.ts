import { join } from 'node:path'
import { writeFileSync } from 'node:fs'
import { safetensorsFile, temporaryFolder } from './model-folder.ts'

/** Sizes in the order of the legacy file's header, int32 each. */
export interface Llama2cSizes {
  readonly dim: number
  readonly hidden: number
  readonly layers: number
  readonly heads: number
  readonly kvHeads: number
  readonly vocab: number
  readonly context: number
}

/** The tensors of the file in their order, [name, shape]; a leading `layers` runs over the layers. */
export function llama2cTensors(sizes: Llama2cSizes): [string, number[]][] {
  const { dim, hidden, layers, heads, kvHeads, vocab, context } = sizes
  const kv = (dim / heads) * kvHeads
  return [
    ['embed', [vocab, dim]],
    ['attentionNorm', [layers, dim]],
    ['q', [layers, dim, dim]],
    ['k', [layers, kv, dim]],
    ['v', [layers, kv, dim]],
    ['o', [layers, dim, dim]],
    ['mlpNorm', [layers, dim]],
    ['gate', [layers, hidden, dim]],
    ['down', [layers, dim, hidden]],
    ['up', [layers, hidden, dim]],
    ['norm', [dim]],
    ['cosines', [context, dim / heads / 2]],
    ['sines', [context, dim / heads / 2]],
  ]
}

/** Reads a llama2.c file of the legacy form (header of seven int32, then float32 tensors, tied head). */
export function readLlama2c(file: Buffer): { sizes: Llama2cSizes; tensors: Map<string, Float32Array> } {
  const [dim, hidden, layers, heads, kvHeads, vocab, context] = Array.from({ length: 7 }, (_, i) =>
    file.readInt32LE(4 * i),
  ) as [number, number, number, number, number, number, number]
  const sizes = { dim, hidden, layers, heads, kvHeads, vocab, context }
  const tensors = new Map<string, Float32Array>()
  let at = 28
  for (const [name, shape] of llama2cTensors(sizes)) {
    const count = shape.reduce((product, n) => product * n, 1)
    tensors.set(
      name,
      Float32Array.from({ length: count }, (_, i) => file.readFloatLE(at + 4 * i)),
    )
    at += 4 * count
  }
  if (at !== file.length) throw new Error(`${file.length} bytes, expected ${at}`)
  return { sizes, tensors }
}

/**
 * A Hugging Face folder with the same weights. llama2.c turns channels 2i and 2i + 1 of a head together, Hugging Face
 * channels i and i + headDim / 2: the rows of q and k change places. The tied table lies under `lm_head.weight` only.
 */
export function llama2cFolder(file: Buffer): string {
  const { sizes, tensors } = readLlama2c(file)
  const { dim, hidden, layers, heads, kvHeads, vocab, context } = sizes
  const headDim = dim / heads
  const header: Record<string, unknown> = {}
  const data: Float32Array[] = []
  let end = 0
  const add = (name: string, shape: number[], values: Float32Array) => {
    header[name] = { dtype: 'F32', shape, data_offsets: [end, end + 4 * values.length] }
    data.push(values)
    end += 4 * values.length
  }
  const halves = (rows: Float32Array, count: number) => {
    const out = new Float32Array(rows.length)
    for (let head = 0; head < count; head++)
      for (let i = 0; i < headDim; i++) {
        const from = head * headDim + (i < headDim / 2 ? 2 * i : 2 * (i - headDim / 2) + 1)
        out.set(rows.subarray(from * dim, (from + 1) * dim), (head * headDim + i) * dim)
      }
    return out
  }
  const names: Record<string, string> = {
    attentionNorm: 'input_layernorm',
    q: 'self_attn.q_proj',
    k: 'self_attn.k_proj',
    v: 'self_attn.v_proj',
    o: 'self_attn.o_proj',
    mlpNorm: 'post_attention_layernorm',
    gate: 'mlp.gate_proj',
    down: 'mlp.down_proj',
    up: 'mlp.up_proj',
  }
  for (const [name, shape] of llama2cTensors(sizes)) {
    const values = tensors.get(name) ?? new Float32Array()
    if (name === 'embed') add('lm_head.weight', shape, values)
    if (name === 'norm') add('model.norm.weight', shape, values)
    const target = names[name]
    if (target === undefined) continue
    const size = values.length / layers
    for (let layer = 0; layer < layers; layer++) {
      let rows = values.slice(layer * size, (layer + 1) * size)
      if (name === 'q') rows = halves(rows, heads)
      if (name === 'k') rows = halves(rows, kvHeads)
      add(`model.layers.${layer}.${target}.weight`, shape.slice(1), rows)
    }
  }
  const folder = temporaryFolder({
    'config.json': JSON.stringify({
      architectures: ['LlamaForCausalLM'],
      model_type: 'llama',
      hidden_size: dim,
      intermediate_size: hidden,
      num_hidden_layers: layers,
      num_attention_heads: heads,
      num_key_value_heads: kvHeads,
      vocab_size: vocab,
      max_position_embeddings: context,
      rms_norm_eps: 1e-5,
      tie_word_embeddings: true,
    }),
  })
  const out = safetensorsFile(header, end)
  let at = out.length - end
  for (const values of data) {
    out.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), at)
    at += values.byteLength
  }
  writeFileSync(join(folder, 'model.safetensors'), out)
  return folder
}
