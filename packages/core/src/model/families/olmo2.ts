import type { Architecture } from '../architecture.ts'
import { llamaNames, qkNormNames } from '../tensor-names.ts'

const { inputNorm: _, postNorm: __, ...between } = llamaNames.layer

/** Norms stand after attention and MLP only. */
export const olmo2: Architecture = {
  modelType: 'olmo2',
  className: 'Olmo2ForCausalLM',
  tensors: {
    ...llamaNames,
    layer: {
      ...between,
      ...qkNormNames,
      attentionNorm: 'model.layers.#.post_attention_layernorm',
      mlpNorm: 'model.layers.#.post_feedforward_layernorm',
    },
  },
  bias: { qkv: 'attention_bias', output: 'attention_bias' },
  qkNorm: 'all-heads',
  windows: { layers: 'none' },
  gguf: { architecture: 'olmo2' },
  defaults: { contextTokens: 2048, rmsEpsilon: 1e-5 },
}
