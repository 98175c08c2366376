import type { Architecture, LayerRole } from '../model/architecture.ts'

/** Parts of a layer by the part of a GGUF name behind `blk.N.`. */
const roles: Readonly<Record<string, LayerRole>> = {
  attn_norm: 'inputNorm',
  attn_q: 'q',
  attn_k: 'k',
  attn_v: 'v',
  attn_output: 'o',
  attn_q_norm: 'qNorm',
  attn_k_norm: 'kNorm',
  post_attention_norm: 'attentionNorm',
  ffn_norm: 'postNorm',
  ffn_gate: 'gate',
  ffn_up: 'up',
  ffn_down: 'down',
  post_ffw_norm: 'mlpNorm',
  ffn_gate_inp: 'router',
  ffn_gate_exps: 'expertGate',
  ffn_up_exps: 'expertUp',
  ffn_down_exps: 'expertDown',
}

/** Divisors of the rotary frequencies, [headDim / 2]; there where a model scales them by a table, or by two. */
export const ropeFactorsName = 'rope_freqs.weight'
export const longFactorNames = {
  short: 'rope_factors_short.weight',
  long: 'rope_factors_long.weight',
} as const

/**
 * The tensor's name in a Hugging Face folder, `@` for the expert where all lie in one; undefined for tensors that a model of
 * this family does not have.
 */
export function huggingFaceName(gguf: string, { tensors }: Architecture): string | undefined {
  if (gguf === 'token_embd.weight') return `${tensors.embed}.weight`
  if (gguf === 'output_norm.weight') return `${tensors.norm}.weight`
  if (gguf === 'output.weight') return `${tensors.head}.weight`
  const [, layer = '', part = '', kind] = /^blk\.(\d+)\.(\w+)\.(weight|bias)$/.exec(gguf) ?? []
  // Where q, k and v lie in one tensor, it is known by q.
  const joined = part === 'attn_qkv' && tensors.layer.q === tensors.layer.k
  const role = joined ? 'q' : Object.hasOwn(roles, part) ? roles[part] : undefined
  const name = role && tensors.layer[role]
  return name && `${name.replace('#', layer)}.${kind}`
}
