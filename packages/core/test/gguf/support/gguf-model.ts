import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Weights } from '../../support/random-model.ts'
import { temporaryFolder } from '../../support/model-folder.ts'
import { writeGguf, type MetadataValue, type WrittenTensor } from './write-gguf.ts'

/** Hugging Face names by the part of a GGUF name behind `blk.N.`. */
const layerNames: readonly (readonly [string, string])[] = [
  ['input_layernorm', 'attn_norm'],
  ['self_attn.q_proj', 'attn_q'],
  ['self_attn.k_proj', 'attn_k'],
  ['self_attn.v_proj', 'attn_v'],
  ['self_attn.o_proj', 'attn_output'],
  ['self_attn.q_norm', 'attn_q_norm'],
  ['self_attn.k_norm', 'attn_k_norm'],
  ['post_attention_layernorm', 'ffn_norm'],
  ['mlp.gate_proj', 'ffn_gate'],
  ['mlp.up_proj', 'ffn_up'],
  ['mlp.down_proj', 'ffn_down'],
]

function ggufName(name: string): string {
  const layer = /^model\.layers\.(\d+)\.(.+)\.(weight|bias)$/.exec(name)
  if (layer) {
    const found = layerNames.find(([huggingFace]) => huggingFace === layer[2])
    return `blk.${layer[1]}.${found?.[1]}.${layer[3]}`
  }
  return (
    { 'model.embed_tokens.weight': 'token_embd.weight', 'model.norm.weight': 'output_norm.weight' }[name] ??
    'output.weight'
  )
}

/** Metadata of a configuration as a conversion tool writes them. */
export function ggufMetadata(config: Record<string, unknown>): Record<string, MetadataValue> {
  const name = config['model_type'] as string
  const n = (field: string) => ({ u32: config[field] as number })
  return {
    'general.architecture': { text: name },
    [`${name}.block_count`]: n('num_hidden_layers'),
    [`${name}.context_length`]: n('max_position_embeddings'),
    [`${name}.embedding_length`]: n('hidden_size'),
    [`${name}.feed_forward_length`]: n('intermediate_size'),
    [`${name}.attention.head_count`]: n('num_attention_heads'),
    [`${name}.attention.head_count_kv`]: n('num_key_value_heads'),
    [`${name}.attention.key_length`]: n('head_dim'),
    [`${name}.attention.value_length`]: n('head_dim'),
    [`${name}.attention.layer_norm_rms_epsilon`]: { f32: config['rms_norm_eps'] as number },
  }
}

/** Tensors in float32; rows of q and k of llama models stand in pairs. */
export function ggufTensors(config: Record<string, unknown>, weights: Weights): WrittenTensor[] {
  const headDim = config['head_dim'] as number
  return [...weights].map(([name, { shape, values }]) => {
    const paired = config['model_type'] === 'llama' && /[qk]_proj/.test(name)
    const rows = shape[0] ?? 1
    const columns = values.length / rows
    const data = new Float32Array(values.length)
    for (let row = 0; row < rows; row++) {
      const channel = row % headDim
      const from = paired ? row - channel + Math.floor(channel / 2) + (channel % 2) * (headDim / 2) : row
      data.set(values.subarray(from * columns, (from + 1) * columns), row * columns)
    }
    return { name: ggufName(name), shape, type: 0, data: new Uint8Array(data.buffer) }
  })
}

/** Writes a GGUF file; returns its path. It is gone after the test. */
export function ggufFile(
  metadata: Record<string, MetadataValue>,
  tensors: readonly WrittenTensor[],
  name = 'model.gguf',
): string {
  const path = join(temporaryFolder(), name)
  writeFileSync(path, writeGguf(metadata, tensors))
  return path
}
