import type { Architecture } from '../architecture.ts'
import { llamaNames } from '../tensor-names.ts'

/** Phi-3 and Phi-4-mini: q, k and v in one tensor, gate and up in another. */
export const phi3: Architecture = {
  modelType: 'phi3',
  className: 'Phi3ForCausalLM',
  tensors: {
    ...llamaNames,
    layer: {
      ...llamaNames.layer,
      q: 'model.layers.#.self_attn.qkv_proj',
      k: 'model.layers.#.self_attn.qkv_proj',
      v: 'model.layers.#.self_attn.qkv_proj',
      gate: 'model.layers.#.mlp.gate_up_proj',
      up: 'model.layers.#.mlp.gate_up_proj',
    },
  },
  windows: { layers: 'every' },
  rope: { partial: true, types: ['default', 'longrope'], originalTokens: 4096 },
  gguf: {
    architecture: 'phi3',
    fields: {
      'attention.sliding_window': 'sliding_window',
      'rope.scaling.original_context_length': 'original_max_position_embeddings',
    },
  },
  defaults: { contextTokens: 4096, rmsEpsilon: 1e-5, slidingWindow: null },
}
