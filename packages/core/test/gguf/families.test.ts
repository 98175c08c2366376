import { expect, it } from 'vitest'
import { loadModel } from '../../src/index.ts'
import { goldenFloats, goldenJson, largestDifference } from '../support/golden.ts'
import { namedWeights } from '../support/named-weights.ts'
import { throwsKv } from '../support/throws.ts'
import { ggufFile } from './support/gguf-model.ts'
import type { MetadataValue, WrittenTensor } from './support/write-gguf.ts'

interface FamilyCase {
  readonly config: Readonly<Record<string, unknown>>
  readonly tensors: Readonly<Record<string, readonly number[]>>
  readonly ids: readonly number[]
}

/** Parts of a GGUF name by those of a Gemma or Qwen3-MoE folder; experts are joined. */
const parts: readonly (readonly [RegExp, string])[] = [
  [/input_layernorm/, 'attn_norm'],
  [/self_attn\.(q|k)_norm/, 'attn_$1_norm'],
  [/self_attn\.(q|k|v)_proj/, 'attn_$1'],
  [/self_attn\.o_proj/, 'attn_output'],
  [/pre_feedforward_layernorm/, 'ffn_norm'],
  [/post_feedforward_layernorm/, 'post_ffw_norm'],
  [/mlp\.gate\./, 'ffn_gate_inp.'],
  [/mlp\.experts\.\d+\.(gate|up|down)_proj/, 'ffn_$1_exps'],
  [/mlp\.(gate|up|down)_proj/, 'ffn_$1'],
]

function ggufName(name: string, gemma: boolean): string {
  const layer = /^model\.layers\.(\d+)\.(.*)$/.exec(name)
  if (!layer)
    return name
      .replace('model.embed_tokens', 'token_embd')
      .replace('model.norm', 'output_norm')
      .replace('lm_head', 'output')
  const rest = layer[2] ?? ''
  const norm = rest.replace('post_attention_layernorm', gemma ? 'post_attention_norm' : 'ffn_norm')
  const [from, to] = parts.find(([pattern]) => pattern.test(norm)) ?? [/$/, '']
  return `blk.${layer[1]}.${norm.replace(from, to)}`
}

/** The case as a GGUF file: norms of Gemma whole, experts of a layer in one tensor. */
function writeCase(
  { config, tensors }: FamilyCase,
  architecture: string,
  more: Record<string, MetadataValue>,
): string {
  const gemma = architecture.startsWith('gemma')
  const joined = new Map<string, { shape: readonly number[]; data: Float32Array[] }>()
  // Experts in their order.
  const names = Object.keys(tensors).sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
  for (const name of names) {
    const shape = tensors[name] ?? []
    const values = namedWeights(name, shape, gemma)
    const whole = gemma && name.includes('norm') ? values.map((x) => x + 1) : values
    const key = ggufName(name, gemma)
    const entry = joined.get(key)
    if (entry) entry.data.push(whole)
    else joined.set(key, { shape, data: [whole] })
  }
  const written = [...joined].map(([name, { shape, data }]): WrittenTensor => ({
    name,
    shape: name.includes('_exps') ? [data.length, ...shape] : shape,
    type: 0,
    data: Buffer.concat(data.map((values) => new Uint8Array(values.buffer))),
  }))
  const n = (field: string) => ({ u32: config[field] as number })
  const metadata: Record<string, MetadataValue> = {
    block_count: n('num_hidden_layers'),
    context_length: n('max_position_embeddings'),
    embedding_length: n('hidden_size'),
    feed_forward_length: n('intermediate_size'),
    'attention.head_count': n('num_attention_heads'),
    'attention.head_count_kv': n('num_key_value_heads'),
    'attention.key_length': n('head_dim'),
    'attention.value_length': n('head_dim'),
    'attention.layer_norm_rms_epsilon': { f32: config['rms_norm_eps'] as number },
    ...more,
  }
  return ggufFile(
    {
      'general.architecture': { text: architecture },
      ...Object.fromEntries(
        Object.entries(metadata).map(([key, value]) => [`${architecture}.${key}`, value]),
      ),
    },
    written,
  )
}

const gemma2 = {
  'attention.sliding_window': { u32: 16 },
  attn_logit_softcapping: { f32: 50 },
  final_logit_softcapping: { f32: 30 },
}
const gemma3 = {
  'attention.sliding_window': { u32: 24 },
  'rope.freq_base': { f32: 70_000 },
  'rope.freq_base_swa': { f32: 500 },
  'rope.scaling.type': { text: 'linear' },
  'rope.scaling.factor': { f32: 8 },
}
const qwen3moe = {
  expert_count: { u32: 6 },
  expert_used_count: { u32: 3 },
  expert_feed_forward_length: { u32: 20 },
}

it.each([
  ['gemma2-square', 'gemma2', gemma2],
  ['gemma3-scaled', 'gemma3', gemma3],
  ['qwen3-moe', 'qwen3moe', qwen3moe],
] as const)('%s as a GGUF file has the logits of transformers', async (name, architecture, more) => {
  const family = goldenJson<FamilyCase>(`families/${name}.json`)
  await using model = await loadModel(writeCase(family, architecture, more), { precision: 'f32', threads: 2 })
  const { logits } = await model.logits([...family.ids])
  expect(largestDifference(logits, goldenFloats(`families/${name}.f32`))).toBeLessThan(1e-4)
})

it('a key of a variant is refused by its name', async () => {
  const family = goldenJson<FamilyCase>('families/qwen3-moe.json')
  const path = writeCase(family, 'qwen3moe', { ...qwen3moe, expert_shared_count: { u32: 1 } })
  await throwsKv('KV_UNSUPPORTED_MODEL', /qwen3moe\.expert_shared_count/, () => loadModel(path))
})
