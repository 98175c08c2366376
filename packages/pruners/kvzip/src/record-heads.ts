import { defineAllocator, KvError, type MethodRef } from '@qpkv/spec'

/** Fills while a model prefills with `allocate` and a budget. */
export interface HeadRecorder {
  /** Give it as the allocator of a spec; it measures, and shares the budget out evenly. */
  readonly allocate: MethodRef
  /** Part of the prompt that each head would keep, [layers][storedHeads], once the prefill is done. Throws KV_DATA before. */
  heads(): number[][]
}

/**
 * KVzip's worth of heads instead of tokens: the part of its tokens that each head has among the best `part` of all heads and layers by the
 * attention that they get while the model repeats the prompt. It says little of one text and much of the model, so it serves other texts without a
 * replay. The first `sinks`, which every head looks at, are left out.
 * Kim et al., https://arxiv.org/abs/2505.23416
 */
export function recordHeads({
  sinks = 4,
  part = 1 / 4,
}: { readonly sinks?: number; readonly part?: number } = {}): HeadRecorder {
  let recorded: number[][] | undefined
  const recorder = defineAllocator({
    name: 'head-recorder',
    paper: 'https://arxiv.org/abs/2505.23416',
    options: {},
    measure: () => ({
      score: { op: 'group', by: 'max', of: [{ stat: 'replay-attention', sinks, over: 'nothing' }] },
    }),
    allocate: (_, { layers, storedHeads }) => {
      const all = layers.flatMap(({ measured }) => (measured ? [measured] : []))
      if (all.length === layers.length)
        recorded = partsKept(
          all.map((scores) => rowsOf(scores, { heads: storedHeads, from: sinks })),
          part,
        )
      return undefined
    },
  })
  return {
    allocate: recorder(),
    heads: () => {
      if (recorded) return recorded
      throw new KvError('KV_DATA', 'No heads were recorded; heads() is for after the prefill.')
    },
  }
}

/** scores: [heads, tokens]. */
function rowsOf(
  scores: Float32Array,
  { heads, from }: { readonly heads: number; readonly from: number },
): Float32Array[] {
  const tokens = scores.length / heads
  return Array.from({ length: heads }, (_, head) =>
    scores.subarray(head * tokens + Math.min(from, tokens - 1), (head + 1) * tokens),
  )
}

/** rows: [layers][heads] scores of tokens. Ties at the limit all count. */
function partsKept(rows: readonly (readonly Float32Array[])[], part: number): number[][] {
  const all = Float32Array.from(rows.flat().flatMap((row) => [...row])).sort()
  const limit = all[Math.max(0, Math.ceil((1 - part) * all.length) - 1)] ?? 0
  return rows.map((layer) =>
    layer.map((row) => row.reduce((count, score) => count + (score > limit ? 1 : 0), 0) / row.length),
  )
}
