import type { ScoreNode } from '@qpkv/spec'
import type { ProbeEngine } from '../../../packages/core/test/support/probe.ts'
import { readFloats } from './arrays.ts'
import type { CakeInput, NextCase } from './next-cases.ts'
import type { Comparison } from './next-comparison.ts'
import { attentionOf, group, pool, scale } from './next-expressions.ts'
import { headsLast } from './pruners.ts'

/** One layer after the other: means and variances of the window's attention, pooled. */
export async function compareCake(
  folder: string,
  engine: ProbeEngine,
  input: CakeInput,
  test: NextCase,
): Promise<Comparison> {
  const { n_tokens: tokens, head_dim: headDim, num_query_heads: queryHeads, num_kv_heads: kvHeads } = input
  const window = input.window_size
  const [queries, keys] = [readFloats(folder, input.q), readFloats(folder, input.k)]
  const prefix = tokens - window
  const ours = new Float32Array(input.num_layers * kvHeads * prefix)
  // Their variance divides by one query less.
  const gamma = ((test.params['gamma'] as number) * window) / (window - 1)
  const importance: ScoreNode = {
    op: 'add',
    of: [attentionOf(window, 'mean'), scale(attentionOf(window, 'variance'), gamma)],
  }
  for (let layer = 0; layer < input.num_layers; layer++) {
    const size = queryHeads * window * headDim
    const last = headsLast(queries.subarray(layer * size, (layer + 1) * size), queryHeads, window, headDim)
    const q = new Float32Array(tokens * queryHeads * headDim)
    q.set(last, prefix * queryHeads * headDim)
    const k = keys.slice(layer * kvHeads * tokens * headDim, (layer + 1) * kvHeads * tokens * headDim)
    const scores = await engine.observe({
      tokens,
      headDim,
      queryHeads,
      kvHeads,
      heads: 'kv',
      q,
      k,
      protectLast: window,
      score: group(pool(importance, 'mean', 5)),
    })
    for (let h = 0; h < kvHeads; h++)
      ours.set(scores.subarray(h * tokens, h * tokens + prefix), (layer * kvHeads + h) * prefix)
  }
  return { array: 'scores', ours, tokens: prefix, from: 0, to: prefix, relative: 'each' }
}
