import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readConfig } from '../src/model/config.ts'
import { detectTiedHead } from '../src/model/tied-head.ts'
import { mapWeights } from '../src/model/weight-map.ts'
import { readWeightFiles, type WeightFiles } from '../src/model/weight-files.ts'
import { randomModel } from './support/random-model.ts'
import { llamaConfig } from './support/model-folder.ts'
import { throwsKv } from './support/throws.ts'

const config = (changes: Record<string, unknown> = {}) =>
  readConfig({ ...llamaConfig, ...changes }, 'config.json')

/** Weights that fit the small Llama of the tests. */
function weights(): Map<
  string,
  { dtype: string; shape: number[]; offset: number; bytes: number; file: number }
> {
  const map = new Map<
    string,
    { dtype: string; shape: number[]; offset: number; bytes: number; file: number }
  >()
  const add = (name: string, ...shape: number[]) =>
    map.set(name, { dtype: 'BF16', shape, offset: 100, bytes: 0, file: 0 })
  add('model.embed_tokens.weight', 320, 64)
  add('model.norm.weight', 64)
  for (const layer of [0, 1]) {
    const at = `model.layers.${layer}`
    add(`${at}.input_layernorm.weight`, 64)
    add(`${at}.post_attention_layernorm.weight`, 64)
    add(`${at}.self_attn.q_proj.weight`, 64, 64)
    add(`${at}.self_attn.k_proj.weight`, 32, 64)
    add(`${at}.self_attn.v_proj.weight`, 32, 64)
    add(`${at}.self_attn.o_proj.weight`, 64, 64)
    add(`${at}.mlp.gate_proj.weight`, 96, 64)
    add(`${at}.mlp.up_proj.weight`, 96, 64)
    add(`${at}.mlp.down_proj.weight`, 64, 96)
  }
  return map
}
const files = (tensors: ReturnType<typeof weights>): WeightFiles => ({
  files: ['folder/m.safetensors'],
  tensors,
})

describe('the weight map', () => {
  it('names every tensor by its role', () => {
    const mapped = mapWeights(config(), files(weights()), 'folder')
    expect(Object.keys(mapped)).toHaveLength(2 + 2 * 9)
    expect(mapped['layers.1.down']).toEqual({ file: 0, offset: 100, element: 'bf16', shape: [64, 96] })
    expect(mapped['head']).toBeUndefined()
  })

  it('wants a head unless it is tied, biases for Qwen2, norms for Qwen3', async () => {
    const missing = (changes: Record<string, unknown>, name: RegExp) =>
      throwsKv('KV_MODEL_FILE', name, () => mapWeights(config(changes), files(weights()), 'folder'))
    await missing({ tie_word_embeddings: false }, /lm_head.weight/)
    await missing({ architectures: ['Qwen2ForCausalLM'] }, /layers.0.self_attn.q_proj.bias/)
    await missing({ architectures: ['Qwen3ForCausalLM'], head_dim: 32 }, /layers.0.self_attn.q_norm.weight/)
  })

  it('takes a tied table from either name', async () => {
    const tensors = weights()
    tensors.set('lm_head.weight', tensors.get('model.embed_tokens.weight')!)
    tensors.delete('model.embed_tokens.weight')
    const mapped = mapWeights(config(), files(tensors), 'folder')
    expect(mapped['embed']).toEqual({ file: 0, offset: 100, element: 'bf16', shape: [320, 64] })
    expect(mapped['head']).toBeUndefined()
    await throwsKv('KV_MODEL_FILE', /model.embed_tokens.weight/, () =>
      mapWeights(config({ tie_word_embeddings: false }), files(tensors), 'folder'),
    )
  })

  it('stops at the first of more experts than any file holds', async () => {
    const many = { architectures: ['MixtralForCausalLM'], num_local_experts: 65_536, num_hidden_layers: 4096 }
    const tensors = weights()
    const started = performance.now()
    await throwsKv('KV_MODEL_FILE', /layers.0.block_sparse_moe.gate.weight/, () =>
      mapWeights(config(many), files(tensors), 'folder'),
    )
    expect(performance.now() - started).toBeLessThan(2000)
  })

  it('refuses shapes that contradict the configuration, with both', async () => {
    await throwsKv(
      'KV_MODEL_FILE',
      /Expected shape \[128, 64\] for model.layers.0.mlp.gate_proj.weight.*m.safetensors has \[96, 64\]/,
      () => mapWeights(config({ intermediate_size: 128 }), files(weights()), 'folder'),
    )
  })

  it('refuses types that are no plain float', async () => {
    const tensors = weights()
    tensors.set('model.norm.weight', { dtype: 'I8', shape: [64], offset: 0, bytes: 64, file: 0 })
    await throwsKv('KV_MODEL_FILE', /BF16, F16 or F32 for model.norm.weight.*I8/, () =>
      mapWeights(config(), files(tensors), 'folder'),
    )
  })

  it('refuses tensors of the parts it computes that nothing reads', async () => {
    for (const name of [
      'model.layers.0.self_attn.q_proj.bias',
      'model.layers.1.self_attn.k_norm.weight',
      'model.layers.2.input_layernorm.weight',
      'model.norm.bias',
      'lm_head.bias',
      'model.embed_positions.weight',
    ]) {
      const tensors = weights()
      tensors.set(name, { dtype: 'BF16', shape: [64], offset: 0, bytes: 128, file: 0 })
      await throwsKv('KV_MODEL_FILE', new RegExp(`hold ${name}, which`), () =>
        mapWeights(config(), files(tensors), 'folder'),
      )
    }
  })

  it('passes over buffers, and a head beside the table that it is tied to', () => {
    const tensors = weights()
    for (const name of ['model.layers.0.self_attn.rotary_emb.inv_freq', 'lm_head.weight'])
      tensors.set(name, { dtype: 'BF16', shape: [320, 64], offset: 0, bytes: 128, file: 0 })
    expect(Object.keys(mapWeights(config(), files(tensors), 'folder'))).toHaveLength(2 + 2 * 9)
  })

  it('warns about other parts', async () => {
    const tensors = weights()
    tensors.set('score.weight', { dtype: 'BF16', shape: [64], offset: 0, bytes: 128, file: 0 })
    const warned = once(process, 'warning')
    mapWeights(config(), files(tensors), 'folder')
    const [warning] = (await warned) as [Error]
    expect(warning.message).toMatch(/score.weight; these parts are left out/)
  })
})

describe('a head beside a table that config.json ties it to', () => {
  const head = (change: number) => {
    const { folder, weights: values } = randomModel(
      { ...llamaConfig, head_dim: 32, tie_word_embeddings: false },
      'F32',
      1,
    )
    const table = values.get('model.embed_tokens.weight')!.values
    const file = readFileSync(join(folder, 'model.safetensors'))
    const header = JSON.parse(file.subarray(8, 8 + Number(file.readBigUInt64LE())).toString())
    const at = 8 + Number(file.readBigUInt64LE()) + header['lm_head.weight'].data_offsets[0]
    for (const [i, value] of table.entries()) file.writeFloatLE(value, at + 4 * i)
    file.writeFloatLE(table.at(-1)! + change, at + 4 * (table.length - 1))
    writeFileSync(join(folder, 'model.safetensors'), file)
    return readWeightFiles(folder)
  }

  it('is used where its values are others, and left out where they are the same', async () => {
    expect((await detectTiedHead(config(), await head(0))).tiedHead).toBe(true)
    expect((await detectTiedHead(config(), await head(1))).tiedHead).toBe(false)
    const untied = config({ tie_word_embeddings: false })
    expect(await detectTiedHead(untied, await head(0))).toBe(untied)
  })
})
