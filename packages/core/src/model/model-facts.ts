import type { ModelFacts } from '@qpkv/spec'
import type { ModelConfig } from './config.ts'

/** What methods may know about the model. */
export const modelFacts = (config: ModelConfig): ModelFacts => ({
  layers: config.layers,
  queryHeads: config.queryHeads,
  kvHeads: config.kvHeads,
  headDim: config.headDim,
  slidingWindow: config.slidingWindow.map((window) => (window === 0 ? null : window)),
  contextTokens: config.contextTokens,
})
