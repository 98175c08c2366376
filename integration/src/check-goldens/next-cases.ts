import type { ArrayReference } from './arrays.ts'
import type { Params } from './next-methods.ts'

type Tensors = 'q_pre' | 'q' | 'k_pre' | 'k' | 'v' | 'wo'

/** Tensors of one layer that recorded codes saw. */
export type NextInput = Record<Tensors, ArrayReference> & {
  n_tokens: number
  head_dim: number
  num_query_heads: number
  num_kv_heads: number
  rope: { theta: number }
}

/** Last queries and all keys of several layers. */
export interface CakeInput {
  num_layers: number
  num_query_heads: number
  num_kv_heads: number
  n_tokens: number
  head_dim: number
  window_size: number
  q: ArrayReference
  k: ArrayReference
}

/** What a method made of an input. */
export interface NextCase {
  id: string
  method: string
  input: string
  params: Params
  arrays: Record<string, { offset: number; shape: number[] }>
  kept_count: number[]
  kept_offset: number
  kept_set_unique: boolean[]
  /** CAKE: places of each layer beside the window. */
  layer_budgets?: number[]
  /** KVzip: which repetitions. */
  replay?: string
  ill_conditioned?: boolean
}

interface FloatArray {
  file: string
  /** In floats. */
  offset: number
  shape: number[]
}

/** Repetitions of parts of an input. */
export interface ReplayOfCase {
  input: string
  num_layers: number
  segments: { layer: number; start: number; end: number; q: FloatArray; k: FloatArray; h_norm: FloatArray }[]
}

export interface NextManifest {
  array_file: string
  index_file: string
  inputs: Record<string, NextInput>
  cake_inputs: Record<string, CakeInput>
  kvzip_replays: Record<string, ReplayOfCase>
  cases: NextCase[]
  cake_budget_tables: {
    num_layers: number
    window_size: number
    cache_size: number
    seq_len: number
    pref_scores: number[]
    layer_budgets: number[]
    truncation_margin: number
  }[]
  /** [tokens, share dropped, kept] */
  kept_count_table: [number, number, number][]
}
