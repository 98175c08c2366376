import { describe, expect, it } from 'vitest'
import { readConfig } from '../src/model/config.ts'
import { llamaConfig } from './support/model-folder.ts'
import { throwsKv } from './support/throws.ts'

const read = (changes: Record<string, unknown> = {}) =>
  readConfig({ ...llamaConfig, ...changes }, 'folder/config.json')
const refuses = (
  changes: Record<string, unknown>,
  pattern: RegExp,
  code: 'KV_CONFIG' | 'KV_UNSUPPORTED_MODEL' = 'KV_CONFIG',
) => throwsKv(code, pattern, () => read(changes))

describe('config.json', () => {
  it('gives sizes, derived where they are left out', () => {
    const config = read()
    expect(config.headDim).toBe(32)
    expect(config.rmsEpsilon).toBe(1e-6)
    expect(config.tiedHead).toBe(true)
    expect(config.slidingWindow).toEqual([0, 0])
    expect(read({ num_key_value_heads: null }).kvHeads).toBe(2)
    for (const head_dim of [4, 6, 100, 128, 256]) expect(read({ head_dim }).headDim).toBe(head_dim)
    expect(read({ eos_token_id: [3, 4] }).stopTokens).toEqual([3, 4])
    expect(read({ eos_token_id: null }).stopTokens).toEqual([])
  })

  it('with endless nonsense gets a short message', async () => {
    let nested: unknown = 'silu'
    for (let i = 0; i < 2000; i++) nested = [nested]
    for (const changes of [
      { hidden_act: nested },
      { architectures: ['x'.repeat(9999)] },
      { head_dim: nested },
    ]) {
      const cause: unknown = await Promise.resolve()
        .then(() => read(changes))
        .catch((error: unknown) => error)
      expect((cause as Error).message.length).toBeLessThan(300)
    }
  })

  it('of another architecture is refused with the list of supported ones', async () => {
    await refuses(
      { architectures: ['GemmaForCausalLM'] },
      /GemmaForCausalLM[^]*Supported are .*LlamaForCausalLM, Mistral/,
      'KV_UNSUPPORTED_MODEL',
    )
    await refuses({ architectures: undefined, model_type: 'gptj' }, /"gptj"/, 'KV_UNSUPPORTED_MODEL')
    await refuses({ architectures: [], model_type: undefined }, /received none/, 'KV_UNSUPPORTED_MODEL')
  })

  it.each([
    ['hidden_act', 'gelu'],
    ['partial_rotary_factor', 0.5],
    ['quantization_config', { quant_method: 'gptq' }],
  ])('of a variant that is not computed is refused: %s', async (name, value) => {
    await refuses({ [name]: value }, new RegExp(name), 'KV_UNSUPPORTED_MODEL')
  })

  it('has the biases that its family has, and no others', async () => {
    expect(read({ attention_bias: true, mlp_bias: true }).biases).toEqual({
      qkv: true,
      output: true,
      mlp: true,
    })
    expect(read({ architectures: ['Qwen2ForCausalLM'] }).biases).toEqual({
      qkv: true,
      output: false,
      mlp: false,
    })
    const mistral = { architectures: ['MistralForCausalLM'] }
    expect(read(mistral).biases).toEqual({ qkv: false, output: false, mlp: false })
    await refuses({ ...mistral, attention_bias: true }, /attention_bias/, 'KV_UNSUPPORTED_MODEL')
    await refuses({ ...mistral, mlp_bias: true }, /mlp_bias/, 'KV_UNSUPPORTED_MODEL')
  })

  it.each([
    ['hidden_size', '64'],
    ['hidden_size', -1],
    ['num_hidden_layers', 0],
    ['num_hidden_layers', 1e9],
    ['vocab_size', 1.5],
    ['num_key_value_heads', 4],
    ['head_dim', 2],
    ['head_dim', 13],
    ['head_dim', 258],
    ['hidden_size', 66],
    ['rms_norm_eps', 0],
    ['rms_norm_eps', Number.NaN],
    ['tie_word_embeddings', 'yes'],
    ['eos_token_id', 'x'],
    ['max_position_embeddings', null],
  ])('with a value that cannot be names field and file: %s = %s', async (name, value) => {
    if (value === null) expect(read({ [name]: value }).contextTokens).toBe(2048)
    else await refuses({ [name]: value }, /folder\/config.json/)
  })

  it('needs heads that divide', async () => {
    await refuses(
      { num_attention_heads: 6, num_key_value_heads: 4, head_dim: 32 },
      /divisor of num_attention_heads \(6\)/,
    )
  })
})

describe('sliding windows', () => {
  const mistral = { architectures: ['MistralForCausalLM'], model_type: 'mistral' }
  const qwen2 = { architectures: ['Qwen2ForCausalLM'], sliding_window: 16, num_hidden_layers: 4 }

  it('of Mistral hold for every layer', () => {
    expect(read({ ...mistral, sliding_window: 8 }).slidingWindow).toEqual([8, 8])
    expect(read({ ...mistral, sliding_window: null }).slidingWindow).toEqual([0, 0])
    expect(read({ ...mistral }).slidingWindow).toEqual([4096, 4096])
  })

  it('of Qwen2 are off unless used, then hold for the later layers', () => {
    expect(read(qwen2).slidingWindow).toEqual([0, 0, 0, 0])
    expect(read({ ...qwen2, use_sliding_window: true, max_window_layers: 3 }).slidingWindow).toEqual([
      0, 0, 0, 16,
    ])
    expect(read({ ...qwen2, use_sliding_window: true, max_window_layers: 4 }).slidingWindow).toEqual([
      0, 0, 0, 0,
    ])
  })

  it('of Qwen3 follow layer_types', async () => {
    const qwen3 = { ...qwen2, architectures: ['Qwen3ForCausalLM'], use_sliding_window: true, head_dim: 32 }
    const types = ['sliding_attention', 'full_attention', 'sliding_attention', 'full_attention']
    expect(read({ ...qwen3, layer_types: types }).slidingWindow).toEqual([16, 0, 16, 0])
    await refuses({ ...qwen3, layer_types: ['full_attention'] }, /4 times/)
  })

  it('are ignored by Llama', () => {
    expect(read({ sliding_window: 8 }).slidingWindow).toEqual([0, 0])
  })
})
