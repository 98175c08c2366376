import type { Architecture } from '../architecture.ts'
import { llamaNames } from '../tensor-names.ts'

export const llama: Architecture = {
  modelType: 'llama',
  className: 'LlamaForCausalLM',
  tensors: llamaNames,
  bias: { qkv: 'attention_bias', output: 'attention_bias', mlp: 'mlp_bias' },
  windows: { layers: 'none' },
  gguf: { architecture: 'llama', pairedRows: true },
  defaults: { contextTokens: 2048 },
}
