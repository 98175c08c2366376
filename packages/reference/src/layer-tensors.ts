import { KvError } from '@qpkv/spec'

/** Queries, keys and values of one layer after RoPE, and the model's facts that statistics need. */
export interface LayerTensors {
  /** [queryHeads, tokens, headDim] */
  readonly q: Float32Array
  /** [kvHeads, tokens, headDim] */
  readonly k: Float32Array
  /** [kvHeads, tokens, headDim]; needed by statistics of values. */
  readonly v?: Float32Array
  /** [hidden, queryHeads * headDim], the output projection; needed by value-output-norm. */
  readonly outputWeight?: Float32Array
  /** Like q and k before RoPE; needed by statistics that read them. */
  readonly qBefore?: Float32Array
  readonly kBefore?: Float32Array
  /** [rotaryDim / 2], inverse frequencies of the rotary embedding. */
  readonly ropeInvFreq?: Float32Array
  /** Repetitions of parts of the prompt; needed by replay-attention. */
  readonly replays?: readonly ReplayTensors[]
  readonly queryHeads: number
  readonly kvHeads: number
  readonly tokens: number
  readonly headDim: number
  /** Index after the last token of the last user turn; left out: the prompt's end. */
  readonly userEnd?: number
}

/** Queries and keys, after RoPE, of tokens that repeat the prompt's tokens [from, to). */
export interface ReplayTensors {
  readonly from: number
  readonly to: number
  /** [queryHeads, rows, headDim] */
  readonly q: Float32Array
  /** [kvHeads, rows, headDim] */
  readonly k: Float32Array
  /** [rows]: norms of what the layer's attention reads. */
  readonly inputNorms?: Float32Array
}

/** Row of a head and token in a tensor [heads, tokens, headDim]. */
export const rowOf = (
  tensor: Float32Array,
  { tokens, headDim }: LayerTensors,
  head: number,
  token: number,
): Float32Array => {
  const from = (head * tokens + token) * headDim
  return tensor.subarray(from, from + headDim)
}

type Needed = 'v' | 'outputWeight' | 'qBefore' | 'kBefore' | 'ropeInvFreq' | 'replays'

/** What a statistic reads. Throws KV_METHOD, naming it, where the caller did not give it. */
export function needed<N extends Needed>(tensors: LayerTensors, name: N): NonNullable<LayerTensors[N]> {
  const found = tensors[name]
  if (found === undefined) throw new KvError('KV_METHOD', `The statistic needs ${name}.`)
  return found
}

/** [kvHeads][tokens] of a value for each. */
export const perKvHead = (
  { kvHeads, tokens }: LayerTensors,
  value: (head: number, token: number) => number,
): Float64Array[] =>
  Array.from({ length: kvHeads }, (_, head) =>
    Float64Array.from({ length: tokens }, (_, t) => value(head, t)),
  )
