import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { NativeLayerCache, ProbeEngine } from '../../../packages/core/test/support/probe.ts'
import { registry } from '@qpkv/methods'
import { resolve, type MethodRef } from '@qpkv/spec'
import { readFloats, readJson, sliceTokens } from './arrays.ts'
import { headsLast } from './pruners.ts'
import { Tally, type FamilyResult } from './report.ts'

interface Trace<Kept> {
  trace: { event: string; kept: Kept }[]
  prompt: number
  decode_steps: number
}

interface Originals {
  streaming: (Trace<number[]> & {
    start_size: number
    recent_size: number
    evict_for_space_num_coming_8?: number[]
  })[]
  h2o: (Trace<number[][]> & { hh_size: number; recent_size: number })[]
  h2o_inputs: { q_file: string; k_file: string; shape: number[] }
}

interface Shape {
  heads: number
  tokens: number
  headDim: number
}

/** Head dimension that the kernels take; narrower inputs are padded with zeros. */
const HEAD_DIM = 32

async function startCache(
  engine: ProbeEngine,
  prune: MethodRef,
  budget: number,
  { heads, tokens, headDim }: Shape,
  tensors: { q: Float32Array; k: Float32Array; v: Float32Array },
): Promise<NativeLayerCache> {
  const facts = { queryHeads: heads, kvHeads: heads, headDim }
  const { plan } = resolve(
    { budget: { tokens: budget }, prune },
    registry,
    { layers: 1, ...facts },
    { tokens },
    { precision: 'f32' },
  )
  const [layer] = plan.layers
  if (!layer) throw new Error('a plan without layers')
  return engine.createLayerCache({
    ...facts,
    ...tensors,
    tokens,
    heads: 'kv',
    plan: layer,
    precision: 'f32',
  })
}

function compareKept(
  event: string,
  ours: readonly Int32Array[],
  theirs: readonly (readonly number[])[],
): string | undefined {
  for (const [head, positions] of theirs.entries()) {
    const sorted = [...(ours[head] ?? [])].sort((a, b) => a - b)
    if (sorted.join() !== positions.join())
      return `${event}, head ${head}: kept ${sorted.join(' ')}, theirs ${positions.join(' ')}`
  }
  return undefined
}

async function checkStreaming(
  engine: ProbeEngine,
  test: Originals['streaming'][number],
): Promise<string | undefined> {
  const shape = { heads: 1, tokens: test.prompt, headDim: HEAD_DIM }
  const zeros = new Float32Array(test.prompt * HEAD_DIM)
  const start = () =>
    startCache(
      engine,
      { method: 'streamingllm', sinks: test.start_size, decode: 'roll' },
      test.start_size + test.recent_size,
      shape,
      { q: zeros, k: zeros, v: zeros },
    )
  const cache = await start()
  try {
    const one = new Float32Array(HEAD_DIM)
    for (const { event, kept } of test.trace) {
      if (event !== 'after_prefill') {
        await cache.append(one, one, 1)
        await cache.attend(one)
      }
      const problem = compareKept(event, cache.kept(), [kept])
      if (problem) return problem
    }
  } finally {
    cache.dispose()
  }
  const room = test.evict_for_space_num_coming_8
  if (!room) return undefined
  const second = await start()
  try {
    const eight = new Float32Array(8 * HEAD_DIM)
    await second.append(eight, eight, 8)
    const left = second.kept().map((positions) => positions.filter((position) => position < test.prompt))
    return compareKept('room for 8 tokens', left, [room])
  } finally {
    second.dispose()
  }
}

/** [heads, tokens, dim] padded to HEAD_DIM channels and multiplied by `factor`. */
function widen(
  x: Float32Array,
  [heads, tokens, dim]: readonly [number, number, number],
  factor: number,
): Float32Array {
  const out = new Float32Array(heads * tokens * HEAD_DIM)
  for (let row = 0; row < heads * tokens; row++)
    for (let c = 0; c < dim; c++) out[row * HEAD_DIM + c] = (x[row * dim + c] ?? 0) * factor
  return out
}

async function checkHeavyHitters(
  folder: string,
  engine: ProbeEngine,
  inputs: Originals['h2o_inputs'],
  test: Originals['h2o'][number],
): Promise<string | undefined> {
  const shape = inputs.shape.slice(-3) as [number, number, number]
  const [heads, total, dim] = shape
  // The original scales logits by 1 / sqrt(dim); a wider head is scaled by less, so queries grow.
  const q = widen(
    readFloats(folder, { file: inputs.q_file, shape: inputs.shape }),
    shape,
    Math.sqrt(HEAD_DIM / dim),
  )
  const k = widen(readFloats(folder, { file: inputs.k_file, shape: inputs.shape }), shape, 1)
  const rows = (x: Float32Array, from: number, count: number) =>
    sliceTokens(x, [heads, total, HEAD_DIM], from, count)
  const prompt = rows(k, 0, test.prompt)
  const cache = await startCache(
    engine,
    { method: 'h2o', recent: test.recent_size, decode: 'evict' },
    test.hh_size + test.recent_size,
    { heads, tokens: test.prompt, headDim: HEAD_DIM },
    { q: headsLast(rows(q, 0, test.prompt), heads, test.prompt, HEAD_DIM), k: prompt, v: prompt },
  )
  try {
    let step = 0
    for (const { event, kept } of test.trace) {
      if (event !== 'after_prefill') {
        const at = test.prompt + step++
        await cache.append(rows(k, at, 1), rows(k, at, 1), 1)
        await cache.attend(rows(q, at, 1))
      }
      const problem = compareKept(event, cache.kept(), kept)
      if (problem) return problem
    }
    return undefined
  } finally {
    cache.dispose()
  }
}

/** Decode traces of the original StreamingLLM and H2O caches: kept positions after prefill and every step. */
export async function* checkOriginals(folder: string, engine: ProbeEngine): AsyncGenerator<FamilyResult> {
  if (!existsSync(join(folder, 'original_methods.json'))) return
  const tally = new Tally('original caches', engine.table)
  const { streaming, h2o, h2o_inputs: inputs } = readJson<Originals>(folder, 'original_methods.json')
  const run = async (name: string, id: string, check: () => Promise<string | undefined>) => {
    if (!registry.pruners.has(name)) tally.missing.add(name)
    else tally.record(id, await check().catch((error: unknown) => String(error)))
  }
  for (const test of streaming)
    await run('streamingllm', `streaming ${test.start_size}+${test.recent_size}`, () =>
      checkStreaming(engine, test),
    )
  for (const test of h2o)
    await run('h2o', `h2o ${test.hh_size}+${test.recent_size}`, () =>
      checkHeavyHitters(folder, engine, inputs, test),
    )
  yield tally.result()
}
