import type { Architecture } from '../architecture.ts'
import { llamaNames } from '../tensor-names.ts'

export const gemma2: Architecture = {
  modelType: 'gemma2',
  className: 'Gemma2ForCausalLM',
  tensors: {
    ...llamaNames,
    layer: {
      ...llamaNames.layer,
      attentionNorm: 'model.layers.#.post_attention_layernorm',
      postNorm: 'model.layers.#.pre_feedforward_layernorm',
      mlpNorm: 'model.layers.#.post_feedforward_layernorm',
    },
  },
  bias: { qkv: 'attention_bias', output: 'attention_bias' },
  normOffset: 1,
  activationField: 'hidden_activation',
  windows: { layers: 'all-but-every', n: 2 },
  factors: {
    embedding: { field: 'hidden_size', power: 0.5 },
    attention: { field: 'query_pre_attn_scalar', fallback: 256, power: -0.5 },
  },
  caps: {
    attention: { field: 'attn_logit_softcapping', fallback: 50 },
    logits: { field: 'final_logit_softcapping', fallback: 30 },
  },
  only: { use_bidirectional_attention: [false] },
  gguf: {
    architecture: 'gemma2',
    wholeNorms: true,
    fields: {
      attn_logit_softcapping: 'attn_logit_softcapping',
      final_logit_softcapping: 'final_logit_softcapping',
      'attention.sliding_window': 'sliding_window',
    },
    wideAttentionLayers: 46,
  },
  defaults: {
    contextTokens: 8192,
    kvHeads: 4,
    headDim: 256,
    tiedHead: true,
    activation: 'gelu_pytorch_tanh',
    slidingWindow: 4096,
  },
}
