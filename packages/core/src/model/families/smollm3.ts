import type { Architecture } from '../architecture.ts'
import { llamaNames } from '../tensor-names.ts'

export const smollm3: Architecture = {
  modelType: 'smollm3',
  className: 'SmolLM3ForCausalLM',
  tensors: llamaNames,
  bias: { qkv: 'attention_bias', output: 'attention_bias', mlp: 'mlp_bias' },
  windows: { layers: 'without-rope', ifUsed: true },
  rope: {
    theta: 2_000_000,
    without: { listField: 'no_rope_layers', everyField: 'no_rope_layer_interval', every: 4 },
  },
  gguf: { architecture: 'smollm3', pairedRows: true, implied: { no_rope_layer_interval: 4 } },
  defaults: { contextTokens: 32_768, kvHeads: 4, tiedHead: true, slidingWindow: null },
}
