import type { Architecture } from '../architecture.ts'
import { llamaNames } from '../tensor-names.ts'

export const granite: Architecture = {
  modelType: 'granite',
  className: 'GraniteForCausalLM',
  tensors: llamaNames,
  bias: { qkv: 'attention_bias', output: 'attention_bias', mlp: 'mlp_bias' },
  windows: { layers: 'none' },
  factors: {
    embedding: { field: 'embedding_multiplier', fallback: 1 },
    residual: { field: 'residual_multiplier', fallback: 1 },
    logits: { field: 'logits_scaling', fallback: 1, power: -1 },
    attention: { field: 'attention_multiplier', fallback: 1 },
  },
  gguf: {
    architecture: 'granite',
    pairedRows: true,
    fields: {
      'attention.scale': 'attention_multiplier',
      embedding_scale: 'embedding_multiplier',
      residual_scale: 'residual_multiplier',
      logit_scale: 'logits_scaling',
    },
  },
  defaults: { contextTokens: 2048 },
}
