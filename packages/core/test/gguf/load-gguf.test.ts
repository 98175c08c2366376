import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { loadModel } from '../../src/index.ts'
import { randomModel } from '../support/random-model.ts'
import { temporaryFolder } from '../support/model-folder.ts'
import { throwsKv } from '../support/throws.ts'
import { ggufFile, ggufMetadata, ggufTensors } from './support/gguf-model.ts'
import { writeGguf } from './support/write-gguf.ts'

const base = {
  hidden_size: 64,
  intermediate_size: 96,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 24,
  vocab_size: 130,
  max_position_embeddings: 256,
  rms_norm_eps: 2 ** -17,
}
const ids = Array.from({ length: 40 }, (_, i) => (i * 37 + 11) % base.vocab_size)

async function logitsOf(path: string): Promise<Float32Array> {
  await using model = await loadModel(path, { precision: 'f32', threads: 2 })
  return (await model.logits(ids)).logits
}

describe('a GGUF file', () => {
  it.each([
    ['llama', { model_type: 'llama' }],
    ['llama with a tied head', { model_type: 'llama', tie_word_embeddings: true }],
    ['qwen2', { model_type: 'qwen2' }],
    ['qwen3', { model_type: 'qwen3' }],
  ])('of %s gives the logits of the folder that it was made from, bit for bit', async (_, changes) => {
    const config = { ...base, ...changes }
    const { folder, weights } = randomModel(config, 'F32', 5)
    const path = ggufFile(ggufMetadata(config), ggufTensors(config, weights))
    expect(await logitsOf(path)).toEqual(await logitsOf(folder))
  })

  it('divides the rotary frequencies by its table', async () => {
    const config = { ...base, model_type: 'llama' }
    const { folder, weights } = randomModel(config, 'F32', 6)
    const linear = { ...config, rope_scaling: { rope_type: 'linear', factor: 4 } }
    writeFileSync(join(folder, 'config.json'), JSON.stringify(linear))
    const table = new Float32Array(base.head_dim / 2).fill(4)
    const path = ggufFile(ggufMetadata(config), [
      ...ggufTensors(config, weights),
      { name: 'rope_freqs.weight', shape: [table.length], type: 0, data: new Uint8Array(table.buffer) },
    ])
    expect(await logitsOf(path)).toEqual(await logitsOf(folder))
  })

  it('may be split; a part that is missing is named', async () => {
    const config = { ...base, model_type: 'llama' }
    const { folder, weights } = randomModel(config, 'F32', 7)
    const tensors = ggufTensors(config, weights)
    const to = temporaryFolder()
    const part = (i: number) => join(to, `m-0000${i + 1}-of-00002.gguf`)
    const split = (i: number) => ({ 'split.no': { u32: i }, 'split.count': { u32: 2 } })
    writeFileSync(part(0), writeGguf({ ...ggufMetadata(config), ...split(0) }, tensors.slice(0, 5)))
    await throwsKv('KV_MODEL_FILE', /m-00002-of-00002\.gguf/, () => loadModel(part(0)))
    writeFileSync(part(1), writeGguf(split(1), tensors.slice(5)))
    expect(await logitsOf(part(1))).toEqual(await logitsOf(folder))
  })

  it.each([
    ['llama.expert_shared_count', /llama\.expert_shared_count/],
    ['llama.logit_scale', /llama\.logit_scale/],
  ])('with %s is refused by that name', async (key, pattern) => {
    const config = { ...base, model_type: 'llama' }
    const { weights } = randomModel(config, 'F32', 8)
    const path = ggufFile({ ...ggufMetadata(config), [key]: { u32: 8 } }, ggufTensors(config, weights))
    await throwsKv('KV_UNSUPPORTED_MODEL', pattern, () => loadModel(path))
  })

  it('of another architecture, with another tensor or with a type that is not read is refused', async () => {
    const config = { ...base, model_type: 'llama' }
    const { weights } = randomModel(config, 'F32', 8)
    const tensors = ggufTensors(config, weights)
    const metadata = ggufMetadata(config)
    const load = (m: typeof metadata, t: typeof tensors) => () => loadModel(ggufFile(m, t))
    await throwsKv(
      'KV_UNSUPPORTED_MODEL',
      /received "mamba".*Supported are .*llama/s,
      load({ ...metadata, 'general.architecture': { text: 'mamba' } }, tensors),
    )
    const odd = { name: 'blk.0.attn_sinks.weight', shape: [4], type: 0, data: new Uint8Array(16) }
    await throwsKv('KV_UNSUPPORTED_MODEL', /attn_sinks/, load(metadata, [...tensors, odd]))
    const coded = { name: 'blk.0.x.weight', shape: [256], type: 10, data: new Uint8Array(84) }
    await throwsKv('KV_UNSUPPORTED_MODEL', /Q2_K/, load(metadata, [...tensors, coded]))
  })

  it('whose name is a folder or whose file is something else says so', async () => {
    const path = join(
      temporaryFolder({ 'page.gguf': '<!doctype html><title>Not found</title>' }),
      'page.gguf',
    )
    await throwsKv('KV_MODEL_FILE', /web page/, () => loadModel(path))
    const folder = join(dirname(path), 'folder.gguf')
    mkdirSync(folder)
    await throwsKv('KV_MODEL_FILE', /folder of that name/, () => loadModel(folder))
  })
})
