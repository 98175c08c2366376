import type { ProbeEngine } from '../../../packages/core/test/support/probe.ts'
import { registry } from '@qpkv/methods'
import { resolve, type CompressionPlan, type LayerPlan } from '@qpkv/spec'
import { readFloats, readIntegers } from './arrays.ts'
import type { NextInput, NextManifest, NextCase } from './next-cases.ts'
import { headsLast } from './pruners.ts'
import { squareSketch } from './square-sketch.ts'

/* One recorded layer of `pruners-next`: its shape and tensors, and what the engine makes of a plan for it. */

/** Tensors of one layer as the recorded code saw them, [heads, tokens, headDim]. */
export interface Tensors {
  readonly q: Float32Array
  readonly k: Float32Array
  readonly v: Float32Array
  readonly qBefore: Float32Array
  readonly kBefore: Float32Array
}

/** Everything that a check of a case needs. */
export interface Recorded {
  readonly folder: string
  readonly engine: ProbeEngine
  readonly manifest: NextManifest
  readonly test: NextCase
  readonly arrays: (name: string) => Float32Array
}

export interface Shape {
  readonly tokens: number
  readonly queryHeads: number
  readonly kvHeads: number
  readonly headDim: number
}

export const shapeOf = (input: NextInput): Shape => ({
  tokens: input.n_tokens,
  queryHeads: input.num_query_heads,
  kvHeads: input.num_kv_heads,
  headDim: input.head_dim,
})

const factsOf = ({ queryHeads, kvHeads, headDim }: Shape, layers = 1) => ({
  layers,
  queryHeads,
  kvHeads,
  headDim,
})

/** Rows of tokens of every head, in the order that is given per head. */
export const rowsOf = (
  x: Float32Array,
  tokens: number,
  dim: number,
  chosen: readonly (readonly number[])[],
) => {
  const width = chosen[0]!.length
  const out = new Float32Array(chosen.length * width * dim)
  for (const [head, list] of chosen.entries())
    for (const [i, t] of list.entries())
      out.set(x.subarray((head * tokens + t) * dim, (head * tokens + t + 1) * dim), (head * width + i) * dim)
  return out
}

/** What a layer's plan keeps of given tensors, and the scores of its first stage. */
export async function runLayer(
  { engine, folder }: Recorded,
  input: NextInput,
  plan: LayerPlan,
  tensors: Tensors,
  shape: Shape,
): Promise<{ kept: Int32Array[]; scores: Float32Array }> {
  const { tokens, queryHeads, headDim } = shape
  const cache = await engine.createLayerCache({
    ...shape,
    heads: 'kv',
    plan,
    precision: 'f32',
    q: headsLast(tensors.q, queryHeads, tokens, headDim),
    qBefore: headsLast(tensors.qBefore, queryHeads, tokens, headDim),
    k: tensors.k,
    kBefore: tensors.kBefore,
    v: tensors.v,
    outputWeight: readFloats(folder, input.wo),
    ropeInvFreq: frequencies(input),
  })
  try {
    return { kept: cache.kept(), scores: cache.scores() }
  } finally {
    cache.dispose()
  }
}

const frequencies = ({ head_dim: dim, rope }: NextInput) =>
  Float32Array.from({ length: dim / 2 }, (_, i) => rope.theta ** ((-2 * i) / dim))

export function tensorsOf({ folder, test, arrays }: Recorded, input: NextInput): Tensors {
  const read = (name: 'q' | 'k' | 'v' | 'q_pre' | 'k_pre') => readFloats(folder, input[name])
  const { tokens, kvHeads, headDim } = shapeOf(input)
  const before = read('k_pre')
  const sketched =
    test.method === 'compactor'
      ? squareSketch(before, arrays('phi'), { heads: kvHeads, tokens, dim: headDim })
      : before
  return { q: read('q'), k: read('k'), v: read('v'), qBefore: read('q_pre'), kBefore: sketched }
}

/** One plan's layers under a spec; the share of the prompt counts as the recorded code counts. */
export function planOf(spec: Parameters<typeof resolve>[0], shape: Shape, layers = 1): CompressionPlan {
  return resolve(spec, registry, factsOf(shape, layers), { tokens: shape.tokens }, { precision: 'f32' }).plan
}

/** The recorded lists of kept positions, one after the other. */
export function recordedKept({ folder, manifest, test }: Recorded): Int32Array[] {
  const total = test.kept_count.reduce((sum, n) => sum + n, 0)
  const all = readIntegers(folder, {
    file: manifest.index_file,
    byte_offset: 4 * test.kept_offset,
    shape: [total],
  })
  let at = 0
  return test.kept_count.map((count) => all.slice(at, (at += count)))
}
