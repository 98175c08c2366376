import type { Architecture } from '../architecture.ts'
import { llamaNames, qkNormNames } from '../tensor-names.ts'

export const qwen3: Architecture = {
  modelType: 'qwen3',
  className: 'Qwen3ForCausalLM',
  tensors: { ...llamaNames, layer: { ...llamaNames.layer, ...qkNormNames } },
  bias: { qkv: 'attention_bias', output: 'attention_bias' },
  qkNorm: 'head',
  windows: { layers: 'later', first: 28, ifUsed: true },
  gguf: { architecture: 'qwen3' },
  defaults: { contextTokens: 32_768, kvHeads: 32, headDim: 128, slidingWindow: 4096 },
}
