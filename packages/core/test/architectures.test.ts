import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { loadModel } from '../src/index.ts'
import { randomModel, type Element } from './support/random-model.ts'
import { referenceForward } from './support/reference-forward.ts'
import { throwsKv } from './support/throws.ts'

const base = {
  hidden_size: 96,
  intermediate_size: 112,
  num_hidden_layers: 3,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 40,
  vocab_size: 130,
  max_position_embeddings: 256,
  rms_norm_eps: 1e-5,
}
const ids = Array.from({ length: 70 }, (_, i) => (i * 37 + 11) % base.vocab_size)

const variants: [string, Record<string, unknown>, Element][] = [
  ['llama, bf16, tied head', { model_type: 'llama', tie_word_embeddings: true }, 'BF16'],
  ['llama, f16, one KV head', { model_type: 'llama', num_key_value_heads: 1 }, 'F16'],
  ['llama, f32, as many KV heads as query heads', { model_type: 'llama', num_key_value_heads: 4 }, 'F32'],
  [
    'llama3 rope',
    {
      model_type: 'llama',
      rope_theta: 500_000,
      rope_scaling: {
        rope_type: 'llama3',
        factor: 8,
        low_freq_factor: 1,
        high_freq_factor: 4,
        original_max_position_embeddings: 32,
      },
    },
    'BF16',
  ],
  ['linear rope', { model_type: 'llama', rope_scaling: { type: 'linear', factor: 4 } }, 'BF16'],
  [
    'yarn rope',
    {
      model_type: 'llama',
      rope_scaling: { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 64 },
    },
    'BF16',
  ],
  ...[4, 6, 10, 20, 48, 72, 80, 96, 100, 128, 256].map(
    (head_dim): [string, Record<string, unknown>, Element] => [
      `heads of ${head_dim} channels`,
      { model_type: 'llama', head_dim },
      'BF16',
    ],
  ),
  ['mistral with a sliding window', { model_type: 'mistral', sliding_window: 16 }, 'BF16'],
  ['qwen2 with biases', { model_type: 'qwen2' }, 'BF16'],
  [
    'qwen2 with a window in later layers',
    { model_type: 'qwen2', use_sliding_window: true, sliding_window: 9, max_window_layers: 1 },
    'BF16',
  ],
  ['qwen3 with normalized queries and keys', { model_type: 'qwen3' }, 'F16'],
]

describe('logits in the float32 mode equal those of the plain formulas', () => {
  it.each(variants)('%s', async (_, changes, element) => {
    const { folder, weights } = randomModel({ ...base, ...changes }, element, 7)
    await using model = await loadModel(folder, { precision: 'f32', threads: 2 })
    const { logits } = await model.logits(ids)
    const wanted = referenceForward(model.config, weights, ids).flat()
    const spread = Math.sqrt(wanted.reduce((sum, value) => sum + value * value, 0) / wanted.length)
    expect(spread).toBeGreaterThan(0.1)
    const error = Math.max(...wanted.map((value, i) => Math.abs(value - (logits[i] ?? NaN))))
    expect(error).toBeLessThan(1e-3)
  })

  it.each(variants)('%s: token by token over the cache as in one pass', async (_, changes, element) => {
    const { folder } = randomModel({ ...base, ...changes }, element, 8)
    await using model = await loadModel(folder, { precision: 'f32', threads: 2 })
    await using context = await model.prefill(ids.slice(0, 30))
    for (const id of ids.slice(30)) await context.append([id])
    const stepped = await context.logits()
    const { logits } = await model.logits(ids)
    const last = logits.subarray(logits.length - base.vocab_size)
    expect(Math.max(...stepped.map((value, i) => Math.abs(value - (last[i] ?? NaN))))).toBeLessThan(1e-4)
  })
})

describe('numbers that are none', () => {
  it('in the weights are named before anything is answered', async () => {
    const { folder } = randomModel({ ...base, model_type: 'llama' }, 'F32', 9)
    const path = join(folder, 'model.safetensors')
    const bytes = readFileSync(path)
    bytes.writeFloatLE(Number.NaN, bytes.length - 8) // in the last layer's down projection
    writeFileSync(path, bytes)
    await throwsKv('KV_NUMERIC', /layer 2/, async () => {
      await using model = await loadModel(folder)
      await model.prefill(ids)
    })
  })
})
