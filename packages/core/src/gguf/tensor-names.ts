/** Names in a GGUF file and in a Hugging Face folder; `#` stands for the layer. */
const names: readonly (readonly [gguf: string, huggingFace: string])[] = [
  ['token_embd.weight', 'model.embed_tokens.weight'],
  ['output_norm.weight', 'model.norm.weight'],
  ['output.weight', 'lm_head.weight'],
  ['blk.#.attn_norm.weight', 'model.layers.#.input_layernorm.weight'],
  ['blk.#.attn_q.weight', 'model.layers.#.self_attn.q_proj.weight'],
  ['blk.#.attn_k.weight', 'model.layers.#.self_attn.k_proj.weight'],
  ['blk.#.attn_v.weight', 'model.layers.#.self_attn.v_proj.weight'],
  ['blk.#.attn_output.weight', 'model.layers.#.self_attn.o_proj.weight'],
  ['blk.#.attn_q.bias', 'model.layers.#.self_attn.q_proj.bias'],
  ['blk.#.attn_k.bias', 'model.layers.#.self_attn.k_proj.bias'],
  ['blk.#.attn_v.bias', 'model.layers.#.self_attn.v_proj.bias'],
  ['blk.#.attn_q_norm.weight', 'model.layers.#.self_attn.q_norm.weight'],
  ['blk.#.attn_k_norm.weight', 'model.layers.#.self_attn.k_norm.weight'],
  ['blk.#.ffn_norm.weight', 'model.layers.#.post_attention_layernorm.weight'],
  ['blk.#.ffn_gate.weight', 'model.layers.#.mlp.gate_proj.weight'],
  ['blk.#.ffn_up.weight', 'model.layers.#.mlp.up_proj.weight'],
  ['blk.#.ffn_down.weight', 'model.layers.#.mlp.down_proj.weight'],
]
const byGguf = new Map(names)

/** Divisors of the rotary frequencies, [headDim / 2]; there where a model scales them by a table. */
export const ropeFactorsName = 'rope_freqs.weight'

/** The tensor's name in a Hugging Face folder; undefined for tensors that no supported model has. */
export function huggingFaceName(gguf: string): string | undefined {
  const layer = /^blk\.(\d+)\./.exec(gguf)?.[1]
  return layer === undefined
    ? byGguf.get(gguf)
    : byGguf.get(gguf.replace(`.${layer}.`, '.#.'))?.replace('#', layer)
}
