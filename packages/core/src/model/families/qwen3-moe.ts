import type { Architecture } from '../architecture.ts'
import { qwen3 } from './qwen3.ts'

export const qwen3Moe: Architecture = {
  ...qwen3,
  modelType: 'qwen3_moe',
  className: 'Qwen3MoeForCausalLM',
  tensors: {
    ...qwen3.tensors,
    layer: {
      ...qwen3.tensors.layer,
      router: 'model.layers.#.mlp.gate',
      expertGate: 'model.layers.#.mlp.experts.@.gate_proj',
      expertUp: 'model.layers.#.mlp.experts.@.up_proj',
      expertDown: 'model.layers.#.mlp.experts.@.down_proj',
    },
  },
  windows: { layers: 'every', ifUsed: true },
  experts: {
    countFields: ['num_experts', 'num_local_experts'],
    count: 128,
    chosen: 8,
    intermediateField: 'moe_intermediate_size',
    intermediate: 768,
    normalize: { field: 'norm_topk_prob', fallback: false },
    layers: 'by-step',
  },
  ignored: ['output_router_logits', 'router_aux_loss_coef'],
  gguf: {
    architecture: 'qwen3moe',
    fields: {
      expert_count: 'num_experts',
      expert_used_count: 'num_experts_per_tok',
      expert_feed_forward_length: 'moe_intermediate_size',
    },
    implied: { norm_topk_prob: true },
  },
  defaults: { contextTokens: 32_768, kvHeads: 4, slidingWindow: 4096 },
}
