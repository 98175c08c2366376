/** How a family of models differs from the others; everything else is read from config.json. */
export interface Architecture {
  /** `model_type` in config.json. */
  readonly modelType: string
  /** In `architectures` of config.json. */
  readonly className: string
  /** Whether q, k and v have biases. */
  readonly qkvBias: boolean
  /** Whether every head of q and k is normalized before the rotary embedding. */
  readonly qkNorm: boolean
  /** Which layers see only a sliding window. */
  readonly slidingWindow: 'never' | 'every-layer' | 'if-used-by-later-layers'
  /** Values that the family's config may leave out, as the transformers library fills them in. */
  readonly defaults: {
    readonly contextTokens: number
    /** Left out: as many as query heads. */
    readonly kvHeads?: number
    /** Left out: hidden size / heads. */
    readonly headDim?: number
    readonly slidingWindow?: number
    readonly maxWindowLayers?: number
  }
}

export const architectures: readonly Architecture[] = [
  {
    modelType: 'llama',
    className: 'LlamaForCausalLM',
    qkvBias: false,
    qkNorm: false,
    slidingWindow: 'never',
    defaults: { contextTokens: 2048 },
  },
  {
    modelType: 'mistral',
    className: 'MistralForCausalLM',
    qkvBias: false,
    qkNorm: false,
    slidingWindow: 'every-layer',
    defaults: { contextTokens: 131_072, kvHeads: 8, slidingWindow: 4096 },
  },
  {
    modelType: 'qwen2',
    className: 'Qwen2ForCausalLM',
    qkvBias: true,
    qkNorm: false,
    slidingWindow: 'if-used-by-later-layers',
    defaults: { contextTokens: 32_768, kvHeads: 32, slidingWindow: 4096, maxWindowLayers: 28 },
  },
  {
    modelType: 'qwen3',
    className: 'Qwen3ForCausalLM',
    qkvBias: false,
    qkNorm: true,
    slidingWindow: 'if-used-by-later-layers',
    defaults: { contextTokens: 32_768, kvHeads: 32, headDim: 128, slidingWindow: 4096, maxWindowLayers: 28 },
  },
]

/** Tensor names in the files by role in the engine; `#` stands for the layer. */
export const tensorNames = {
  embed: 'model.embed_tokens.weight',
  norm: 'model.norm.weight',
  head: 'lm_head.weight',
  layer: {
    inputNorm: 'model.layers.#.input_layernorm.weight',
    q: 'model.layers.#.self_attn.q_proj.weight',
    k: 'model.layers.#.self_attn.k_proj.weight',
    v: 'model.layers.#.self_attn.v_proj.weight',
    o: 'model.layers.#.self_attn.o_proj.weight',
    qBias: 'model.layers.#.self_attn.q_proj.bias',
    kBias: 'model.layers.#.self_attn.k_proj.bias',
    vBias: 'model.layers.#.self_attn.v_proj.bias',
    qNorm: 'model.layers.#.self_attn.q_norm.weight',
    kNorm: 'model.layers.#.self_attn.k_norm.weight',
    postNorm: 'model.layers.#.post_attention_layernorm.weight',
    gate: 'model.layers.#.mlp.gate_proj.weight',
    up: 'model.layers.#.mlp.up_proj.weight',
    down: 'model.layers.#.mlp.down_proj.weight',
  },
} as const

export type LayerRole = keyof typeof tensorNames.layer
