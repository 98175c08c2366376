/** A tiny Llama for tests of contexts; its weights are random. */
export const smallConfig = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  hidden_size: 64,
  intermediate_size: 96,
  num_hidden_layers: 3,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 32,
  vocab_size: 211,
  rms_norm_eps: 1e-5,
  hidden_act: 'silu',
  rope_theta: 10000,
  max_position_embeddings: 4096,
  bos_token_id: 1,
  eos_token_id: 2,
  tie_word_embeddings: true,
}

/** Token ids of its vocabulary. */
export const smallPrompt = (count: number): number[] =>
  Array.from({ length: count }, (_, i) => (i * 53 + 7 * (i % 11)) % 211)
