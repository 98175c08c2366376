import type { TensorNames } from './architecture.ts'

/** The names that most families share with Llama. */
export const llamaNames = {
  embed: 'model.embed_tokens',
  norm: 'model.norm',
  head: 'lm_head',
  layer: {
    inputNorm: 'model.layers.#.input_layernorm',
    q: 'model.layers.#.self_attn.q_proj',
    k: 'model.layers.#.self_attn.k_proj',
    v: 'model.layers.#.self_attn.v_proj',
    o: 'model.layers.#.self_attn.o_proj',
    postNorm: 'model.layers.#.post_attention_layernorm',
    gate: 'model.layers.#.mlp.gate_proj',
    up: 'model.layers.#.mlp.up_proj',
    down: 'model.layers.#.mlp.down_proj',
  },
} as const satisfies TensorNames

/** The same names behind a prefix: a text model inside another. */
export const prefixed = (prefix: string, { embed, norm, head, layer }: TensorNames): TensorNames => ({
  embed: prefix + embed,
  norm: prefix + norm,
  head: prefix + head,
  layer: Object.fromEntries(Object.entries(layer).map(([role, name]) => [role, prefix + name])),
})

/** Norms of q and k as all families that have them name them. */
export const qkNormNames = {
  qNorm: 'model.layers.#.self_attn.q_norm',
  kNorm: 'model.layers.#.self_attn.k_norm',
} as const
