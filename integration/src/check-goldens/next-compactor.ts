import type { ScoreNode } from '@qpkv/spec'
import type { NextCase } from './next-cases.ts'
import type { Comparison } from './next-comparison.ts'
import { compactorAttention } from './next-expressions.ts'
import type { ObservedLayer } from './next-observed-layer.ts'

/** Their sketch takes the place of the channels, whose exact leverage is then what they computed. */
export async function compareCompactor(
  layer: ObservedLayer,
  test: NextCase,
  phi: Float32Array,
): Promise<Comparison[]> {
  const { tokens, input } = layer
  const [first, last] = [8, 4]
  const width = test.params['sketch_dimension'] as number
  const { num_kv_heads: heads, head_dim: dim } = input
  const keys = layer.read('k_pre')
  const projected = new Float32Array(heads * tokens * width)
  for (let h = 0; h < heads; h++)
    for (let t = 0; t < tokens; t++)
      for (let j = 0; j < width; j++) {
        let sum = 0
        for (let i = 0; i < dim; i++)
          sum += keys[(h * tokens + t) * dim + i]! * phi[(h * dim + i) * width + j]!
        projected[(h * tokens + t) * width + j] = sum
      }
  const leverage: ScoreNode = { stat: 'leverage', sketch: 0, seed: 0, ridge: 0.01, first, last }
  const ours = await layer.engine.observe({
    tokens,
    headDim: width,
    queryHeads: heads,
    kvHeads: heads,
    heads: 'kv',
    score: leverage,
    protectLast: last,
    q: new Float32Array(heads * tokens * width),
    k: new Float32Array(heads * tokens * width),
    kBefore: projected,
  })
  const cut = { tokens, from: first, to: tokens - last, cut: true } as const
  const { columns, z } = compactorAttention(test.params, heads * (tokens - first - last))
  return [
    { ...cut, array: 'leverage', ours, relative: 'each', ...(test.ill_conditioned && { bound: 1e-3 }) },
    {
      ...cut,
      array: 'attn_colsum_qheads',
      ours: await layer.observe(columns, last, 'query'),
      relative: 'each',
    },
    { ...cut, array: 'z_attention', ours: await layer.observe(z, last), relative: 'largest' },
  ]
}
