import type { NativeEngine } from '@qpkv/core'
import type { ScoreNode } from '@qpkv/spec'
import { readFloats, readJson } from './arrays.ts'
import type { CakeInput, NextCase, NextInput, NextManifest } from './next-cases.ts'
import type { Recorded } from './next-layer.ts'
import { checkSelection } from './next-selections.ts'
import { checkNextTables } from './next-tables.ts'
import { headsLast } from './pruners.ts'
import { Tally, type FamilyResult } from './report.ts'
import {
  attentionOf,
  compactorAttention,
  criticalScore,
  expectedAttention,
  group,
  lagScore,
  pool,
  scale,
  windowScore,
} from './next-expressions.ts'

/*
 * Scores of newer pruners against the originals', in the engine's own statistics and operations: `pruners-next`. Which tokens are kept
 * is the methods' own matter; selections are checked beside them.
 */

type Input = NextInput
type Tensors = 'q_pre' | 'q' | 'k_pre' | 'k' | 'v' | 'wo'

/** A score of ours beside an array of theirs: columns `from` to `to` of every row count. */
interface Comparison {
  readonly array: string
  readonly ours: Float32Array
  readonly tokens: number
  readonly from: number
  readonly to: number
  /** Error relative to each value, or to the largest, as scores that cross zero need. */
  readonly relative: 'each' | 'largest'
  /** Their rows begin with column `from`. */
  readonly cut?: boolean
  readonly bound?: number
}

class Layer {
  constructor(
    readonly folder: string,
    readonly engine: NativeEngine,
    readonly input: Input,
  ) {}

  get tokens(): number {
    return this.input.n_tokens
  }

  /** [storedHeads, tokens] */
  observe(score: ScoreNode, protectLast = 0, heads: 'kv' | 'query' = 'kv', kBefore?: Float32Array) {
    const {
      n_tokens: tokens,
      head_dim: headDim,
      num_query_heads: queryHeads,
      num_kv_heads: kvHeads,
    } = this.input
    const byToken = (name: 'q' | 'q_pre') => headsLast(this.read(name), queryHeads, tokens, headDim)
    return this.engine.observe({
      tokens,
      headDim,
      queryHeads,
      kvHeads,
      heads,
      score,
      protectLast,
      q: byToken('q'),
      qBefore: byToken('q_pre'),
      k: this.read('k'),
      kBefore: kBefore ?? this.read('k_pre'),
      v: this.read('v'),
      outputWeight: this.read('wo'),
      ropeInvFreq: Float32Array.from(
        { length: headDim / 2 },
        (_, i) => this.input.rope.theta ** ((-2 * i) / headDim),
      ),
    })
  }

  read(name: Tensors): Float32Array {
    return readFloats(this.folder, this.input[name])
  }
}

const numberOf = (params: Record<string, unknown>, name: string): number => params[name] as number

/** What a case compares; empty for methods that are not checked here. */
async function comparisons(
  layer: Layer,
  test: NextCase,
  arrays: (name: string) => Float32Array,
): Promise<Comparison[]> {
  const { params } = test
  const { tokens } = layer
  const whole = { tokens, from: 0, to: tokens, relative: 'each' } as const
  switch (test.method) {
    case 'tova': {
      const score: ScoreNode = { op: 'group', by: 'mean', over: 'layer', of: [attentionOf(1, 'sum')] }
      return [{ ...whole, array: 'scores', ours: await layer.observe(score), to: tokens - 1 }]
    }
    case 'expected_attention': {
      const from = numberOf(params, 'n_sink')
      return [{ ...whole, array: 'scores', ours: await layer.observe(expectedAttention(params)), from }]
    }
    case 'knorm':
      return [{ ...whole, array: 'scores', ours: await layer.observe(scale({ stat: 'key-norm' }, -1)) }]
    case 'keydiff': {
      const ours = await layer.observe(scale({ stat: 'key-similarity' }, -1))
      return [{ ...whole, array: 'scores', ours, relative: 'largest' }]
    }
    case 'snapkv_kvpress': {
      const window = numberOf(params, 'window_size')
      return [
        {
          ...whole,
          array: 'scores',
          ours: await layer.observe(windowScore(params), window),
          to: tokens - window,
        },
      ]
    }
    case 'criticalkv': {
      const norms: ScoreNode = group({ stat: 'value-output-norm', norm: 1 })
      const w = { ...whole, array: 'wov_l1', ours: await layer.observe(norms) }
      if (params['base'] !== 'snapkv') return [w]
      const base = params['base_params'] as Record<string, unknown>
      const window = numberOf(base, 'window_size')
      const scored = { ...whole, to: tokens - window }
      const second = await layer.observe(criticalScore(base, numberOf(params, 'epsilon')), window)
      // Where theirs is in the first stage its score says so, not what it is worth.
      const theirs = arrays('scores')
      return [
        w,
        { ...scored, array: 'base_scores', ours: await layer.observe(windowScore(base), window) },
        { ...scored, array: 'scores', ours: second.map((x, i) => (theirs[i]! > 1e38 ? theirs[i]! : x)) },
      ]
    }
    case 'lagkv': {
      const ours = await layer.observe(lagScore(params, tokens))
      return tokens < numberOf(params, 'n_sink') + 2 * numberOf(params, 'lag_size')
        ? []
        : [{ ...whole, array: 'scores', ours }]
    }
    case 'compactor':
      return compactor(layer, test, arrays('phi'))
    case 'rkv': {
      const score: ScoreNode = {
        stat: 'redundancy',
        threshold: numberOf(params, 'threshold'),
        alone: 'first',
      }
      return [{ ...whole, array: 'redundancy', ours: await layer.observe(score) }]
    }
    default:
      return []
  }
}

/** Their sketch takes the place of the channels, whose exact leverage is then what they computed. */
async function compactor(layer: Layer, test: NextCase, phi: Float32Array): Promise<Comparison[]> {
  const { tokens, input } = layer
  const [first, last] = [8, 4]
  const width = numberOf(test.params, 'sketch_dimension')
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

/** One layer after the other: means and variances of the window's attention, pooled. */
async function cake(
  folder: string,
  engine: NativeEngine,
  input: CakeInput,
  test: NextCase,
): Promise<Comparison> {
  const { n_tokens: tokens, head_dim: headDim, num_query_heads: queryHeads, num_kv_heads: kvHeads } = input
  const window = input.window_size
  const [queries, keys] = [readFloats(folder, input.q), readFloats(folder, input.k)]
  const prefix = tokens - window
  const ours = new Float32Array(input.num_layers * kvHeads * prefix)
  // Their variance divides by one query less.
  const gamma = (numberOf(test.params, 'gamma') * window) / (window - 1)
  const worth: ScoreNode = {
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
      score: group(pool(worth, 'mean', 5)),
    })
    for (let h = 0; h < kvHeads; h++)
      ours.set(scores.subarray(h * tokens, h * tokens + prefix), (layer * kvHeads + h) * prefix)
  }
  return { array: 'scores', ours, tokens: prefix, from: 0, to: prefix, relative: 'each' }
}

/** The first value that is too far off, in words. */
function compare(comparison: Comparison, theirs: Float32Array): string | undefined {
  const { array, ours, tokens, from, to, relative, cut = false, bound = 1e-4 } = comparison
  const width = cut ? to - from : tokens
  const rows = ours.length / tokens
  if (theirs.length !== rows * width) return `${array}: ${theirs.length} values for ${rows * width}`
  const largest = theirs.reduce((most, x) => Math.max(most, Math.abs(x)), 0)
  for (let row = 0; row < rows; row++)
    for (let t = from; t < to; t++) {
      const [x, y] = [ours[row * tokens + t]!, theirs[row * width + (cut ? t - from : t)]!]
      const allowed = bound * (relative === 'largest' ? largest : Math.max(Math.abs(y), 1e-12))
      if (!(Math.abs(x - y) <= allowed)) return `${array}: row ${row}, token ${t}: ours ${x}, theirs ${y}`
    }
  return undefined
}

/** The first score of a case that is off; undefined where all agree, or where none of this kind was recorded. */
async function checkScores(recorded: Recorded): Promise<string | undefined> {
  const { folder, engine, manifest, test, arrays } = recorded
  const input = manifest.inputs[test.input]
  const cakeInput = manifest.cake_inputs[test.input]
  const all = cakeInput
    ? [await cake(folder, engine, cakeInput, test)]
    : input
      ? await comparisons(new Layer(folder, engine, input), test, arrays)
      : []
  return all.map((one) => compare(one, arrays(one.array))).find((problem) => problem !== undefined)
}

/** Scores and kept tokens of `pruners-next` on one op table. */
export async function checkNext(folder: string, engine: NativeEngine): Promise<FamilyResult> {
  const manifest = readJson<NextManifest>(folder, 'manifest.json')
  const tally = new Tally('newer pruners', engine.table)
  for (const test of manifest.cases) {
    const arrays = (name: string) => {
      const { offset, shape } = test.arrays[name]!
      return readFloats(folder, { file: manifest.array_file, byte_offset: 4 * offset, shape })
    }
    const recorded = { folder, engine, manifest, test, arrays }
    const check = async () => (await checkScores(recorded)) ?? (await checkSelection(recorded))
    tally.record(test.id, await check().catch((error: unknown) => String(error)))
  }
  return tally.result()
}

/** Tables of budgets and counts; no kernel is involved. */
export function checkNextCounts(folder: string): FamilyResult {
  const tally = new Tally('budgets and counts of newer pruners')
  const manifest = readJson<NextManifest>(folder, 'manifest.json')
  for (const { id, problem } of checkNextTables(manifest)) tally.record(id, problem)
  return tally.result()
}
