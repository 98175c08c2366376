import type { Architecture } from '../architecture.ts'
import { llamaNames } from '../tensor-names.ts'

export const mistral: Architecture = {
  modelType: 'mistral',
  className: 'MistralForCausalLM',
  tensors: llamaNames,
  windows: { layers: 'every' },
  defaults: { contextTokens: 131_072, kvHeads: 8, slidingWindow: 4096 },
}
