import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { compareKept } from '@qpkv/conformance'
import type { ProbeEngine } from '../../../packages/core/test/support/probe.ts'
import { registry } from '@qpkv/methods'
import { meanTokens, resolve, type LayerPlan, type MethodRef } from '@qpkv/spec'
import { readFloats, readIntegers, readJson } from './arrays.ts'
import type { PrunerCase, PrunerManifest } from './pruner-case.ts'
import { Tally, type FamilyResult } from './report.ts'

/** The case as a method with options, under the profile of the code that made it. */
function methodOf({ method, reference, params, gqa_score_agg: group }: PrunerCase): MethodRef {
  const profile = { method, profile: reference }
  const window = params.window_size ?? 8
  const smoothing = {
    window,
    kernel: params.kernel_size ?? 7,
    pool: params.pooling === 'avgpool' ? 'mean' : 'max',
  }
  const grouped = group === null ? {} : { group }
  if (method === 'snapkv' || method === 'layerquant') return { ...profile, ...smoothing, ...grouped }
  if (method === 'pyramidkv') return { ...profile, ...smoothing, ...grouped, beta: params.beta ?? 20 }
  if (method === 'h2o') return { ...profile, recent: window, ...grouped }
  if (method === 'adakv')
    return {
      ...profile,
      ...smoothing,
      floor: params.floor ?? 0.2,
      weigh: params.normalize === false ? 'none' : 'top-share',
    }
  if (method === 'streamingllm') return { ...profile, sinks: params.max_capacity_prompt - window }
  return profile
}

/** Methods whose layers differ: their cases say which layer they are about. */
const byLayer = new Set(['pyramidkv', 'l2norm'])

/** The plan of the layer that the case is about. */
function planOf(
  test: PrunerCase,
  facts: { queryHeads: number; kvHeads: number; headDim: number },
): LayerPlan {
  // Where each layer is treated alike, the first one of a single layer stands for all.
  const at = byLayer.has(test.method) ? (test.params.layer_idx ?? 0) : 0
  const layers = test.params.num_hidden_layers ?? at + 1
  const heads = test.gqa_mode === 'kv_head' ? 'kv' : 'query'
  const spec = { heads, budget: { tokens: test.params.max_capacity_prompt }, prune: methodOf(test) } as const
  const { plan } = resolve(
    spec,
    registry,
    { layers, ...facts },
    { tokens: test.n_tokens },
    { precision: 'f32' },
  )
  const layer = plan.layers[at]
  if (!layer) throw new Error(`no layer ${at} in a plan of ${layers}`)
  return layer
}

/** Kept positions at the end that no score decided. */
const windowOf = ({ method, params }: PrunerCase) => (method === 'l2norm' ? 0 : (params.window_size ?? 0))

/** Relative error of scores, as the vectors' README asks: 1e-4. */
function compareScores(golden: Float32Array, ours: Float32Array): string | undefined {
  if (ours.length !== golden.length) return `expected ${golden.length} scores but have ${ours.length}`
  for (let i = 0; i < golden.length; i++) {
    const [a, b] = [ours[i] ?? NaN, golden[i] ?? NaN]
    if (!(Math.abs(a - b) <= 1e-4 * Math.abs(b) + 1e-9)) return `score ${i} is ${a}, theirs ${b}`
  }
  return undefined
}

/** Methods whose pooled scores were not recorded, though max pooling makes ties: both kept sets must then be a best one by our scores. */
const unscored = new Set(['adakv'])

/** What the original kept in one head, and the scores it kept it by. */
interface RecordedHead {
  readonly kept: Int32Array
  /** Pooled, [tokens - window]; undefined where nothing was scored. */
  readonly scores: Float32Array | undefined
  readonly unique: boolean
}

/** The recorded heads of a case, one after the other in the files. */
function recordedHeads(folder: string, manifest: PrunerManifest, test: PrunerCase): RecordedHead[] {
  const stored = readIntegers(folder, {
    file: manifest.index_file,
    byte_offset: 4 * test.kept_offset,
    shape: [sum(test.kept_count)],
  })
  const width = test.score_shape?.[1] ?? 0
  const offset = test.pruned && width > 0 ? (test.score_offset ?? undefined) : undefined
  const scoresOf = (head: number) =>
    offset === undefined
      ? undefined
      : readFloats(folder, {
          file: manifest.score_file,
          byte_offset: 4 * (offset + head * width),
          shape: [width],
        })
  let at = 0
  return test.kept_count.slice(0, test.num_stored_heads).map((count, head) => ({
    kept: stored.subarray(at, (at += count)),
    scores: scoresOf(head),
    unique: test.kept_set_unique?.[head] ?? true,
  }))
}

/** The first difference between two kept sets: either must be a best one by the scores. */
const compareBoth = (ours: Int32Array, recorded: RecordedHead, window: number): string | undefined =>
  [...compareKept(ours, recorded, window), ...compareKept(recorded.kept, recorded, window)][0]

/** Runs a case through the engine; the first difference in words, or undefined. */
async function checkCase(
  folder: string,
  manifest: PrunerManifest,
  test: PrunerCase,
  engine: ProbeEngine,
  fault: Fault,
): Promise<string | undefined> {
  const input = manifest.inputs[test.input]
  if (!input) return `no input ${test.input}`
  const [, queryHeads, tokens, headDim] = input.q_shape
  const kvHeads = input.k_shape[1]
  const facts = { queryHeads, kvHeads, headDim }
  const byHead = readFloats(folder, { file: input.q_file, shape: [queryHeads, tokens, headDim] })
  const k = readFloats(folder, { file: input.k_file, shape: [kvHeads, tokens, headDim] })
  const q = headsLast(byHead, queryHeads, tokens, headDim)
  const plan = planOf(test, facts)
  const cache = await engine.createLayerCache({
    ...facts,
    q,
    k,
    v: k,
    tokens,
    plan,
    precision: 'f32',
    heads: test.gqa_mode === 'kv_head' ? 'kv' : 'query',
  })
  try {
    const kept = cache.kept()
    const scored = cache.scores()
    fault.scores?.(scored)
    const width = tokens - windowOf(test)
    for (const [head, recorded] of recordedHeads(folder, manifest, test).entries()) {
      const scores = scored.subarray(head * width, (head + 1) * width)
      const difference =
        (recorded.scores && plan.stages.length > 0 ? compareScores(recorded.scores, scores) : undefined) ??
        compareBoth(
          kept[head] ?? new Int32Array(),
          unscored.has(test.method) ? { kept: recorded.kept, scores, unique: false } : recorded,
          windowOf(test),
        )
      if (difference !== undefined) return `head ${head}: ${difference}`
    }
    return undefined
  } finally {
    cache.dispose()
  }
}

const sum = (values: readonly number[]) => values.reduce((total, n) => total + n, 0)

/** [heads, tokens, dim] -> [tokens, heads, dim]. */
export function headsLast(x: Float32Array, heads: number, tokens: number, dim: number): Float32Array {
  const out = new Float32Array(x.length)
  for (let h = 0; h < heads; h++)
    for (let t = 0; t < tokens; t++)
      out.set(x.subarray((h * tokens + t) * dim, (h * tokens + t + 1) * dim), (t * heads + h) * dim)
  return out
}

/** Test only: alters what the engine gave, to prove that the check notices. */
export interface Fault {
  scores?(scores: Float32Array): void
  codes?(codes: Uint8Array): void
}

/** Recorded selections of every pruner that exists here, per KV head and per query head. */
export async function checkPruners(
  folder: string,
  engine: ProbeEngine,
  fault: Fault = {},
): Promise<FamilyResult> {
  const tally = new Tally('pruners', engine.table)
  const manifest = readJson<PrunerManifest>(folder, 'manifest.json')
  for (const test of manifest.cases) {
    if (!registry.pruners.has(test.method)) tally.missing.add(test.method)
    else
      tally.record(
        test.id,
        await checkCase(folder, manifest, test, engine, fault).catch((error: unknown) => String(error)),
      )
  }
  return tally.result()
}

/** PyramidKV's tokens per layer, exactly as the released code gives them. No kernel is involved. */
export function checkPyramidTables(folder: string): FamilyResult {
  const tally = new Tally('pyramid budgets')
  if (!existsSync(join(folder, 'manifest.json'))) return tally.result({ notChecked: 'no manifest' })
  const { pyramid_budget_tables: tables = [] } = readJson<PrunerManifest>(folder, 'manifest.json')
  for (const t of tables) {
    const id = `C=${t.max_capacity_prompt} W=${t.window_size} L=${t.num_hidden_layers} n=${t.q_len}`
    const prune = { method: 'pyramidkv', profile: 'qpruningkv', window: t.window_size, beta: t.beta ?? 20 }
    const facts = { layers: t.num_hidden_layers, queryHeads: 8, kvHeads: 8, headDim: 64 }
    try {
      const { plan } = resolve({ budget: { tokens: t.max_capacity_prompt }, prune }, registry, facts, {
        tokens: t.q_len,
      })
      const ours = plan.layers.map((layer) => Math.min(meanTokens(layer.tokens.perHead), t.q_len))
      const at = t.kept_per_layer.findIndex((n, layer) => n !== ours[layer])
      tally.record(id, at < 0 ? undefined : `layer ${at} keeps ${ours[at]}, theirs ${t.kept_per_layer[at]}`)
    } catch (error) {
      tally.record(id, String(error))
    }
  }
  return tally.result()
}
