import type { Architecture } from '../architecture.ts'
import { llamaNames } from '../tensor-names.ts'

const { gate: _, up: __, down: ___, ...attention } = llamaNames.layer

export const mixtral: Architecture = {
  modelType: 'mixtral',
  className: 'MixtralForCausalLM',
  tensors: {
    ...llamaNames,
    layer: {
      ...attention,
      router: 'model.layers.#.block_sparse_moe.gate',
      expertGate: 'model.layers.#.block_sparse_moe.experts.@.w1',
      expertUp: 'model.layers.#.block_sparse_moe.experts.@.w3',
      expertDown: 'model.layers.#.block_sparse_moe.experts.@.w2',
    },
  },
  windows: { layers: 'every' },
  rope: { theta: 1_000_000 },
  experts: {
    countFields: ['num_local_experts'],
    count: 8,
    chosen: 2,
    intermediateField: 'intermediate_size',
    intermediate: 14_336,
    normalize: true,
    layers: 'every',
  },
  ignored: ['output_router_logits', 'router_aux_loss_coef', 'router_jitter_noise'],
  gguf: {
    architecture: 'llama',
    pairedRows: true,
    mark: 'expert_count',
    fields: { expert_count: 'num_local_experts', expert_used_count: 'num_experts_per_tok' },
  },
  defaults: { contextTokens: 131_072, kvHeads: 8, rmsEpsilon: 1e-5, slidingWindow: null },
}
