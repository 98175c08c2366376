import { layerBudgets, preferenceOf } from '@qpkv/pruner-cake'
import { type LayerPlan } from '@qpkv/spec'
import { readFloats } from './arrays.ts'
import { replaySpecOf, specOf } from './next-methods.ts'
import type { NextInput } from './next-cases.ts'
import { headsLast } from './pruners.ts'
import {
  shapeOf,
  rowsOf,
  runLayer,
  tensorsOf,
  planOf,
  recordedKept,
  type Recorded,
  type Shape,
} from './next-layer.ts'

/*
 * Which tokens newer pruners keep, against the originals': the methods' own specs and plans, run by the engine's entry
 * points. `pruners-next`.
 */

/** Checks the kept sets of a case; undefined where they agree. */
export async function checkSelection(recorded: Recorded): Promise<string | undefined> {
  const { test, manifest } = recorded
  const cake = manifest.cake_inputs[test.input]
  if (cake) return checkCake(recorded)
  if (test.method.startsWith('kvzip')) return checkReplay(recorded)
  const input = manifest.inputs[test.input]!
  const shape = shapeOf(input)
  if (test.method === 'rkv_steps') return checkSteps(recorded, input, shape)
  if (test.method === 'keydiff_blockwise') return checkBlocks(recorded, input, shape)
  const theirs = recordedKept(recorded)
  const mean = Math.floor(test.kept_count.reduce((sum, n) => sum + n, 0) / test.kept_count.length)
  const spec = specOf(test.method, test.params, shape.tokens, mean)
  if (spec === undefined) return `no spec for ${test.method} over ${String(test.params['base'])}`
  const plan = planOf(spec, shape).layers[0]!
  const { kept, scores } = await runLayer(recorded, input, plan, tensorsOf(recorded, input), shape)
  return compareScores(recorded, scores, shape) ?? compareKeptSets(kept, theirs, recorded)
}

/** Scores of the first stage by method: their array, and what ours is to be divided by. */
function compareScores(
  { test, arrays }: Recorded,
  ours: Float32Array,
  { tokens, kvHeads }: Shape,
): string | undefined {
  const { params } = test
  const base = params['base'] === 'snapkv' ? (params['base_params'] as { window_size: number }) : undefined
  const known: Record<string, { array: string; sumOf?: number; each: boolean }> = {
    adakv: { array: 'base_scores', sumOf: base?.window_size ?? 1, each: true },
    criticaladakv: { array: 'base_scores', each: true },
    lagkv: { array: 'scores', each: true },
    rkv: { array: 'final_scores', each: false },
  }
  const by = known[test.method]
  if (by === undefined) return undefined
  const theirs = arrays(by.array)
  const [own, width] = [ours.length / kvHeads, theirs.length / kvHeads]
  const largest = theirs.reduce((most, x) => Math.max(most, Math.abs(x)), 0)
  const sinks = base === undefined && by.array === 'base_scores' ? 4 : 0
  for (let head = 0; head < kvHeads; head++)
    for (let t = sinks; t < Math.min(own, width, tokens); t++) {
      const [a, b] = [ours[head * own + t]! / (by.sumOf ?? 1), theirs[head * width + t]!]
      if (!(Math.abs(a - b) <= 1e-4 * (by.each ? Math.max(1e-12, Math.abs(b)) : largest)))
        return `${by.array}: head ${head}, token ${t}: ours ${a}, theirs ${b}`
    }
  return undefined
}

/** Sets must be equal where they are unique; else what differs must tie at the boundary by the recorded scores. */
function compareKeptSets(
  ours: readonly Int32Array[],
  theirs: readonly Int32Array[],
  recorded: Recorded,
): string | undefined {
  const { test, arrays } = recorded
  const names = ['scores', 'base_scores'].filter((one) => one in test.arrays)
  for (const [i, kept] of theirs.entries()) {
    const own = new Set(ours[i])
    if (own.size !== kept.length) return `list ${i} keeps ${own.size}, theirs ${kept.length}`
    const missing = [...kept].filter((t) => !own.has(t))
    if (missing.length === 0) continue
    const unique = test.kept_set_unique[Math.min(i, test.kept_set_unique.length - 1)] ?? true
    if (unique || names.length === 0) return `list ${i}: token ${missing[0]} is missing`
    const known = new Set(kept)
    const extra = [...own].filter((t) => !known.has(t))
    // Of what ties in the base score their first stage takes any, and marks it in the other.
    const ties = names.map((name) => {
      const width = arrays(name).length / theirs.length
      const row = arrays(name).subarray(i * width, (i + 1) * width)
      const [low, high] = [Math.min(...missing.map((t) => row[t]!)), Math.max(...extra.map((t) => row[t]!))]
      return { low, high, tie: Math.abs(low - high) <= 4e-5 * Math.max(Math.abs(low), Math.abs(high)) }
    })
    if (ties.some(({ tie }) => tie)) continue
    const { low, high } = ties[0]!
    return `list ${i}: token ${missing[0]} is missing, which is worth ${low}, not ${high}`
  }
  return undefined
}

/** R-KV several times: what a step keeps, in its order, and the tokens behind it are the next step's cache. */
async function checkSteps(recorded: Recorded, input: NextInput, shape: Shape): Promise<string | undefined> {
  const { test, arrays } = recorded
  const schedule = test.params['schedule'] as number[]
  const theirs = recordedKept(recorded)
  const tensors = tensorsOf(recorded, input)
  const { kvHeads, queryHeads, headDim, tokens } = shape
  const window = test.params['window_size'] as number
  let cache = Array.from({ length: kvHeads }, (): number[] => [])
  let seen = 0
  for (const [step, end] of schedule.entries()) {
    cache = cache.map((list) => [...list, ...Array.from({ length: end - seen }, (_, i) => seen + i)])
    seen = end
    const width = cache[0]!.length
    // The last queries stand at the end of the cache.
    const last = Array.from({ length: queryHeads }, () =>
      Array.from({ length: width }, (_, i) => Math.max(0, end - width + i)),
    )
    const now = { ...shape, tokens: width }
    const plan = planOf(specOf('rkv_steps', test.params, width, 0)!, now).layers[0]!
    const k = rowsOf(tensors.k, tokens, headDim, cache)
    const run = await runLayer(
      recorded,
      input,
      plan,
      {
        ...tensors,
        q: rowsOf(tensors.q, tokens, headDim, last),
        qBefore: rowsOf(tensors.qBefore, tokens, headDim, last),
        k,
        kBefore: k,
        v: k,
      },
      now,
    )
    const scores = arrays(`final_scores_${step}`)
    const largest = scores.reduce((most, x) => Math.max(most, Math.abs(x)), 0)
    for (let i = 0; i < scores.length; i++)
      if (!(Math.abs(scores[i]! - run.scores[i]!) <= 1e-4 * largest))
        return `step ${step}: score ${i} is ${run.scores[i]}, theirs ${scores[i]}`
    cache = run.kept.map((kept, head) => [...kept].map((i) => cache[head]![i]!))
    for (let head = 0; head < kvHeads; head++) {
      const kept = theirs[step * kvHeads + head]!
      const own = new Set(cache[head])
      const gone = [...kept].find((t) => !own.has(t))
      if (own.size !== kept.length || gone !== undefined)
        return `step ${step}, head ${head}: token ${gone} is missing`
      // Their order is that of the cache: by falling score, then the window.
      const places = kept.length - window
      if ([...kept].slice(places).join() !== cache[head]!.slice(places).join())
        return `step ${step}, head ${head}: another window`
    }
  }
  return undefined
}

/** KeyDiff block by block: the best of what was kept and the next block. */
async function checkBlocks(recorded: Recorded, input: NextInput, shape: Shape): Promise<string | undefined> {
  const { test } = recorded
  const { kvHeads, queryHeads, headDim, tokens } = shape
  const size = Math.min(test.params['block_size'] as number, tokens)
  const tensors = tensorsOf(recorded, input)
  const places = planOf(specOf('keydiff', test.params, tokens, 0)!, shape).layers[0]!.tokens.perHead as number
  let kept = Array.from({ length: kvHeads }, () => Array.from({ length: places }, (_, i) => i))
  for (let begin = places; begin < tokens; begin += size) {
    const block = Array.from({ length: Math.min(size, tokens - begin) }, (_, i) => begin + i)
    const candidates = kept.map((list) => [...list, ...block])
    const now = { ...shape, tokens: candidates[0]!.length }
    const plan = planOf({ budget: { tokens: places }, prune: { method: 'keydiff', last: 0 } }, now).layers[0]!
    const k = rowsOf(tensors.k, tokens, headDim, candidates)
    const q = new Float32Array(queryHeads * now.tokens * headDim)
    const run = await runLayer(recorded, input, plan, { q, qBefore: q, k, kBefore: k, v: k }, now)
    kept = run.kept.map((list, head) => [...list].map((i) => candidates[head]![i]!))
  }
  return compareKeptSets(
    kept.map((list) => Int32Array.from(list)),
    recordedKept(recorded),
    recorded,
  )
}

/** KVzip: the scores of every layer's replays, then one selection over all of them. */
async function checkReplay(recorded: Recorded): Promise<string | undefined> {
  const { folder, engine, manifest, test, arrays } = recorded
  const { params } = test
  const replay = manifest.kvzip_replays[test.replay!]!
  const input = manifest.inputs[replay.input]!
  const whole = shapeOf(input)
  const tokens = params['context_length'] as number
  const shape = { ...whole, tokens }
  const { kvHeads, queryHeads, headDim } = shape
  const first = Array.from({ length: tokens }, (_, t) => t)
  const cut = (name: 'k' | 'v', heads: number) =>
    rowsOf(
      readFloats(folder, input[name]),
      whole.tokens,
      headDim,
      Array.from({ length: heads }, () => first),
    )
  const [k, v] = [cut('k', kvHeads), cut('v', kvHeads)]
  const plan = planOf(replaySpecOf(test.method, params), shape, replay.num_layers)
  const layers: { plan: LayerPlan; scores: Float32Array }[] = []
  for (const [l, layer] of plan.layers.entries()) {
    const replays = replay.segments
      .filter((segment) => segment.layer === l)
      .map((segment) => {
        const rows = segment.q.shape[2]!
        const read = (at: { file: string; offset: number; shape: number[] }) =>
          readFloats(folder, { file: at.file, byte_offset: 4 * at.offset, shape: at.shape })
        return {
          from: segment.start,
          to: segment.end,
          rows,
          q: headsLast(read(segment.q), queryHeads, rows, headDim),
          k: read(segment.k),
          inputNorms: read(segment.h_norm),
        }
      })
    const scores = await engine.observe({
      ...shape,
      heads: 'kv',
      score: layer.stages[0]!.score,
      protectLast: layer.protect.last,
      q: new Float32Array(queryHeads * tokens * headDim),
      k,
      v,
      outputWeight: readFloats(folder, input.wo),
      replays,
    })
    const theirs = arrays('scores').subarray(l * kvHeads * tokens, (l + 1) * kvHeads * tokens)
    for (let i = 0; i < theirs.length; i++)
      if (!(Math.abs(theirs[i]! - scores[i]!) <= 1e-4 * Math.max(1e-12, Math.abs(theirs[i]!))))
        return `layer ${l}, score ${i}: ours ${scores[i]}, theirs ${theirs[i]}`
    layers.push({ plan: layer, scores })
  }
  const kept =
    params['layerwise'] === true
      ? await layerwise(recorded, layers, shape)
      : await engine.selectLayers({ tokens, heads: kvHeads, layers })
  return compareKeptSets(kept.flat(), recordedKept(recorded), recorded)
}

const layerwise = async (
  { engine }: Recorded,
  layers: readonly { plan: LayerPlan; scores: Float32Array }[],
  { tokens, kvHeads }: Shape,
): Promise<Int32Array[][]> => {
  const all: Int32Array[][] = []
  for (const layer of layers)
    all.push(...(await engine.selectLayers({ tokens, heads: kvHeads, layers: [layer] })))
  return all
}

/** CAKE: preferences of the layers, their budgets, then each layer's best tokens. */
async function checkCake(recorded: Recorded): Promise<string | undefined> {
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
