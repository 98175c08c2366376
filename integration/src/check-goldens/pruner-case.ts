/** One case of `pruners/manifest.json`. */
export interface PrunerCase {
  id: string
  reference: 'qpruningkv' | 'kvcache-factory'
  method: string
  input: string
  gqa_mode: 'query_head(repeat_kv)' | 'kv_head'
  gqa_score_agg: 'mean' | 'max' | 'sum' | null
  params: {
    window_size?: number
    max_capacity_prompt: number
    kernel_size?: number
    pooling?: 'maxpool' | 'avgpool'
    num_hidden_layers?: number
    layer_idx?: number
    beta?: number
    floor?: number
    normalize?: boolean
  }
  n_tokens: number
  num_stored_heads: number
  kept_count: number[]
  kept_offset: number
  pruned: boolean
  score_offset?: number | null
  score_shape?: [number, number] | null
  kept_set_unique?: boolean[] | null
}

interface PrunerInput {
  q_file: string
  k_file: string
  q_shape: [number, number, number, number]
  k_shape: [number, number, number, number]
}

export interface PrunerManifest {
  index_file: string
  score_file: string
  inputs: Record<string, PrunerInput>
  cases: PrunerCase[]
  pyramid_budget_tables?: {
    max_capacity_prompt: number
    window_size: number
    num_hidden_layers: number
    q_len: number
    beta?: number
    kept_per_layer: number[]
  }[]
}
