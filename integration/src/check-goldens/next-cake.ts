import { layerBudgets, preferenceOf } from '@qpkv/pruner-cake'
import { readFloats } from './arrays.ts'
import { compareKeptSets } from './kept-sets.ts'
import { planOf, recordedKept, type Recorded } from './next-layer.ts'
import { headsLast } from './pruners.ts'

/** CAKE: preferences of the layers, their budgets, then each layer's best tokens. */
export async function checkCake(recorded: Recorded): Promise<string | undefined> {
  const { folder, engine, manifest, test, arrays } = recorded
  const { params } = test
  const input = manifest.cake_inputs[test.input]!
  const shape = {
    tokens: input.n_tokens,
    queryHeads: input.num_query_heads,
    kvHeads: input.num_kv_heads,
    headDim: input.head_dim,
  }
  const { tokens, queryHeads, kvHeads, headDim } = shape
  const window = params['window_size'] as number
  const capacity = params['cache_size'] as number
  const prefix = tokens - window
  const theirs = recordedKept(recorded)
  if (tokens <= capacity + window)
    return theirs.every((kept) => kept.length === tokens) ? undefined : 'nothing should be dropped'
  const [queries, keys] = [readFloats(folder, input.q), readFloats(folder, input.k)]
  const layers = Array.from({ length: input.num_layers }, (_, l) => {
    const size = queryHeads * window * headDim
    const q = new Float32Array(tokens * queryHeads * headDim)
    q.set(
      headsLast(queries.subarray(l * size, (l + 1) * size), queryHeads, window, headDim),
      prefix * queryHeads * headDim,
    )
    const k = keys.slice(l * kvHeads * tokens * headDim, (l + 1) * kvHeads * tokens * headDim)
    return { q, k, v: k }
  })
  const preferences: number[] = []
  for (const [l, layer] of layers.entries()) {
    const total = async (reduce: 'entropy' | 'variance') => {
      const score = {
        stat: 'attention',
        queries: { last: window, before: 'prompt-end' },
        mask: 'causal',
        reduce,
      } as const
      const rows = await engine.observe({ ...shape, ...layer, heads: 'query', score })
      return rows.reduce((sum, x, i) => (i % tokens < prefix ? sum + x : sum), 0)
    }
    const variance = ((await total('variance')) * window) / (window - 1)
    const own = preferenceOf(
      { entropy: await total('entropy'), variance },
      params['tau1'] as number,
      params['tau2'] as number,
    )
    const recordedOne = arrays('pref_scores')[l]!
    if (!(Math.abs(own - recordedOne) <= 1e-4 * recordedOne))
      return `layer ${l}: preference ${own}, theirs ${recordedOne}`
    preferences.push(recordedOne)
  }
  const budgets = (count: number) =>
    layerBudgets(preferences.slice(0, count), (capacity - window) * input.num_layers, prefix, true)
  const last = budgets(input.num_layers)
  if (last.join() !== test.layer_budgets!.join())
    return `budgets ${last.join()}, theirs ${test.layer_budgets!.join()}`
  // Under the cascade a layer can only lose.
  const least = last.map((n, l) =>
    params['cascading'] === true
      ? Math.min(...Array.from({ length: input.num_layers - l }, (_, i) => budgets(l + i + 1)[l]!))
      : n,
  )
  const kept: Int32Array[] = []
  for (const [l, budget] of least.entries()) {
    const prune = { method: 'cake', window, gamma: params['gamma'] as number }
    const plan = planOf({ budget: { tokens: budget + window }, prune }, shape).layers[0]!
    const cache = await engine.createLayerCache({
      ...shape,
      ...layers[l]!,
      heads: 'kv',
      plan,
      precision: 'f32',
    })
    kept.push(...cache.kept())
    cache.dispose()
  }
  return compareKeptSets(kept, theirs, recorded)
}
