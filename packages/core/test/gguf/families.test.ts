import { expect, it } from 'vitest'
import { exportModel, loadModel } from '../../src/index.ts'
import { goldenFloats, goldenJson, largestDifference } from '../support/golden.ts'
import { namedWeights } from '../support/named-weights.ts'
import { temporaryFolder } from '../support/model-folder.ts'
import { throwsKv } from '../support/throws.ts'
import { ggufFile } from './support/gguf-model.ts'
import type { MetadataValue, WrittenTensor } from './support/write-gguf.ts'

interface FamilyCase {
  readonly config: Readonly<Record<string, unknown>>
  readonly tensors: Readonly<Record<string, readonly number[]>>
  readonly ids: readonly number[]
}

/** Parts of a GGUF name by those of a folder; experts are joined. */
const parts: readonly (readonly [RegExp, string])[] = [
  [/input_layernorm/, 'attn_norm'],
  [/self_attn\.(q|k)_norm/, 'attn_$1_norm'],
  [/self_attn\.(q|k|v)_proj/, 'attn_$1'],
  [/self_attn\.o_proj/, 'attn_output'],
  [/self_attn\.qkv_proj/, 'attn_qkv'],
  [/mlp\.gate_up_proj/, 'ffn_up'],
  [/block_sparse_moe\.gate\./, 'ffn_gate_inp.'],
  [/block_sparse_moe\.experts\.\d+\.w1/, 'ffn_gate_exps'],
  [/block_sparse_moe\.experts\.\d+\.w2/, 'ffn_down_exps'],
  [/block_sparse_moe\.experts\.\d+\.w3/, 'ffn_up_exps'],
  [/pre_feedforward_layernorm/, 'ffn_norm'],
  [/post_feedforward_layernorm/, 'post_ffw_norm'],
  [/mlp\.gate\./, 'ffn_gate_inp.'],
  [/mlp\.experts\.\d+\.(gate|up|down)_proj/, 'ffn_$1_exps'],
  [/mlp\.(gate|up|down)_proj/, 'ffn_$1'],
]

/** Families with a norm behind attention. */
const normsBehind = /^(gemma|olmo2)/
/** Families whose rows of q and k stand in pairs of rotated channels. */
const paired = /^(llama|granite|smollm3)$/

function ggufName(name: string, architecture: string): string {
  const layer = /^model\.layers\.(\d+)\.(.*)$/.exec(name)
  if (!layer)
    return name
      .replace('model.embed_tokens', 'token_embd')
      .replace('model.norm', 'output_norm')
      .replace('lm_head', 'output')
  const rest = layer[2] ?? ''
  const norm = rest.replace(
    'post_attention_layernorm',
    normsBehind.test(architecture) ? 'post_attention_norm' : 'ffn_norm',
  )
  const [from, to] = parts.find(([pattern]) => pattern.test(norm)) ?? [/$/, '']
  return `blk.${layer[1]}.${norm.replace(from, to)}`
}

/** The case as a GGUF file: norms of Gemma whole, experts of a layer in one tensor. */
function writeCase(
  { config, tensors }: FamilyCase,
  architecture: string,
  more: Record<string, MetadataValue>,
  tables: readonly WrittenTensor[] = [],
): string {
  const gemma = architecture.startsWith('gemma')
  const headDim = (config['head_dim'] ??
    Number(config['hidden_size']) / Number(config['num_attention_heads'])) as number
  const joined = new Map<string, { shape: readonly number[]; data: Float32Array[] }>()
  // Experts in their order.
  const names = Object.keys(tensors).sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
  for (const name of names) {
    const shape = tensors[name] ?? []
    const values = namedWeights(name, shape, gemma)
    const added = gemma && name.includes('norm') ? values.map((x) => x + 1) : values
    const whole = paired.test(architecture) && /[qk]_proj/.test(name) ? inPairs(added, shape, headDim) : added
    const key = ggufName(name, architecture)
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
    'attention.key_length': { u32: headDim },
    'attention.value_length': { u32: headDim },
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
    [...written, ...tables],
  )
}

/** Rows of every head with the two channels that turn together side by side. */
function inPairs(values: Float32Array, shape: readonly number[], headDim: number): Float32Array {
  const columns = values.length / (shape[0] ?? 1)
  const out = new Float32Array(values.length)
  for (let row = 0; row < (shape[0] ?? 1); row++) {
    const channel = row % headDim
    const from = row - channel + Math.floor(channel / 2) + (channel % 2) * (headDim / 2)
    out.set(values.subarray(from * columns, (from + 1) * columns), row * columns)
  }
  return out
}

/** A table of rotary divisors. */
const table = (name: string, values: readonly number[]): WrittenTensor => ({
  name: `rope_factors_${name}.weight`,
  shape: [values.length],
  type: 0,
  data: new Uint8Array(Float32Array.from(values).buffer),
})

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

const longTables = [table('short', [1, 1.1, 1.2, 1.3, 1.4, 1.5]), table('long', [1.5, 2, 2.5, 3, 3.5, 4])]
/** As conversion tools write it of a context and an original length. */
const longrope = (original: number) => ({
  'rope.scaling.original_context_length': { u32: original },
  'rope.scaling.attn_factor': { f32: Math.sqrt(1 + Math.log(256 / original) / Math.log(original)) },
})
const granite = {
  'attention.scale': { f32: 0.11 },
  embedding_scale: { f32: 6 },
  residual_scale: { f32: 0.22 },
  logit_scale: { f32: 3 },
}
const mixtral = { expert_count: { u32: 5 }, expert_used_count: { u32: 2 }, 'rope.freq_base': { f32: 1e6 } }

type Case = readonly [
  name: string,
  architecture: string,
  more: Record<string, MetadataValue>,
  tables: readonly WrittenTensor[],
]
it.each<Case>([
  ['gemma2-square', 'gemma2', gemma2, []],
  ['gemma3-scaled', 'gemma3', gemma3, []],
  ['qwen3-moe', 'qwen3moe', qwen3moe, []],
  ['mixtral', 'llama', mixtral, []],
  ['granite', 'granite', granite, []],
  ['olmo2', 'olmo2', {}, []],
  ['smollm3-every-fourth', 'smollm3', { 'rope.freq_base': { f32: 2e6 } }, []],
  ['phi3', 'phi3', { 'attention.sliding_window': { u32: 20 } }, []],
  ['phi3-short', 'phi3', longrope(80), longTables],
  ['phi3-long', 'phi3', longrope(79), longTables],
  ['phi4-mini', 'phi3', { ...longrope(32), 'rope.dimension_count': { u32: 12 } }, longTables],
])(
  '%s as a GGUF file, and exported from it, has the logits of transformers',
  async (name, architecture, more, tables) => {
    const family = goldenJson<FamilyCase>(`families/${name}.json`)
    const file = writeCase(family, architecture, more, tables)
    const folder = temporaryFolder()
    await exportModel(file, folder)
    for (const path of [file, folder]) {
      await using model = await loadModel(path, { precision: 'f32', threads: 2 })
      const { logits } = await model.logits([...family.ids])
      expect(largestDifference(logits, goldenFloats(`families/${name}.f32`)), path).toBeLessThan(1e-4)
    }
  },
)

it('a table of rotary divisors that is none is refused', async () => {
  const family = goldenJson<FamilyCase>('families/phi3-long.json')
  const wrong = [table('short', [1, 1, 1, 1, 1, 1]), table('long', [1, 1, 0, 1, 1, 1])]
  await throwsKv('KV_MODEL_FILE', /above 0 in rope_factors_long/, () =>
    loadModel(writeCase(family, 'phi3', longrope(79), wrong)),
  )
})

it('a key of a variant is refused by its name', async () => {
  const family = goldenJson<FamilyCase>('families/qwen3-moe.json')
  const path = writeCase(family, 'qwen3moe', { ...qwen3moe, expert_shared_count: { u32: 1 } })
  await throwsKv('KV_UNSUPPORTED_MODEL', /qwen3moe\.expert_shared_count/, () => loadModel(path))
})
