import type { Architecture } from '../architecture.ts'
import { llamaNames } from '../tensor-names.ts'

export const qwen2: Architecture = {
  modelType: 'qwen2',
  className: 'Qwen2ForCausalLM',
  tensors: llamaNames,
  bias: { qkv: true },
  windows: { layers: 'later', first: 28, ifUsed: true },
  gguf: { architecture: 'qwen2' },
  defaults: { contextTokens: 32_768, kvHeads: 32, slidingWindow: 4096 },
}
