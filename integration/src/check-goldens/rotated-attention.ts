import type { ProbeEngine } from '../../../packages/core/test/support/probe.ts'
import type { MethodRef } from '@qpkv/spec'
import { beyond } from './arrays.ts'
import type { QuantizerCase, QuantizerInput } from './next-quantizers.ts'
import { planOf } from './stored-by-method.ts'

/** Attention of one token's queries over a layer that keeps everything: [heads * queries, headDim]. */
async function attend(
  engine: ProbeEngine,
  input: QuantizerInput,
  values: Float32Array,
  q: Float32Array,
  quantize: MethodRef,
  exactValues: boolean,
): Promise<Float32Array> {
  const { heads, tokens, headDim } = input
  const queryHeads = q.length / headDim
  const plan = planOf(quantize, input, exactValues ? [{ from: 0, to: 1, valueBits: 16 }] : [])
  const cache = await engine.createLayerCache({
    q: new Float32Array(tokens * queryHeads * headDim),
    k: input.k,
    v: values,
    tokens,
    queryHeads,
    kvHeads: heads,
    headDim,
    heads: 'kv',
    plan,
    precision: 'f32',
  })
  try {
    return await cache.attend(q)
  } finally {
    cache.dispose()
  }
}

/** Probabilities [queries, tokens], read through values that are unit vectors. */
async function probabilities(
  engine: ProbeEngine,
  input: QuantizerInput,
  q: Float32Array,
  quantize: MethodRef,
) {
  const { heads, tokens, headDim } = input
  const queries = q.length / headDim
  const all = new Float64Array(queries * tokens)
  for (let first = 0; first < tokens; first += headDim) {
    const units = new Float32Array(heads * tokens * headDim)
    for (let h = 0; h < heads; h++)
      for (let t = first; t < Math.min(tokens, first + headDim); t++)
        units[(h * tokens + t) * headDim + t - first] = 1
    const out = await attend(engine, input, units, q, quantize, true)
    for (let i = 0; i < queries; i++)
      for (let t = first; t < Math.min(tokens, first + headDim); t++)
        all[i * tokens + t] = out[i * headDim + t - first]!
  }
  return all
}

/** The quantizer that a name such as turboquant_k4_centred_nc stands for. */
function quantizerOf(name: string): MethodRef {
  const [, method, bits, centred, kept] = /^(\w+?)_k(\d)(_centred)?(_nc)?$/.exec(name) ?? []
  const common = { bits: Number(bits), recent: 0 }
  if (method === 'turboquant')
    return { method, ...common, center: centred !== undefined, keepNorm: kept !== undefined }
  if (method === 'uniform_int_zero') return { method: 'hadamard', ...common, offset: 'integer' }
  if (method === 'uniform_min') return { method: 'hadamard', ...common, offset: 'minimum-1e-5' }
  if (method === 'vllm_int4') return { method: 'hadamard', ...common, offset: 'in-scale' }
  throw new Error(`no quantizer is known as ${name}`)
}

/**
 * A sentence where logits differ by more than a quarter of the error that coding itself causes: another table of levels
 * turns the few codes near a boundary over, and moves the others a little.
 */
function logitsDiffer(name: string, p: Float64Array, logits: Float64Array, tokens: number, error: number) {
  let [squares, count] = [0, 0]
  for (let first = 0; first < p.length; first += tokens) {
    // Where a probability is too small for float32 nothing is known.
    const seen = Array.from({ length: tokens }, (_, t) => first + t).filter((i) => p[i]! > 1e-6)
    const away = seen.map((i) => Math.log(p[i]!) - logits[i]!)
    const shift = away.reduce((sum, x) => sum + x, 0) / away.length
    for (const x of away) squares += (x - shift) ** 2
    count += away.length
  }
  const rms = Math.sqrt(squares / count)
  return rms <= error / 4
    ? undefined
    : `${name}: logits differ by ${rms}, a quarter of the error is ${error / 4}`
}

/** Softmax of [queries, tokens]. */
function softmax(logits: Float64Array, tokens: number): Float64Array {
  const out = new Float64Array(logits.length)
  for (let first = 0; first < logits.length; first += tokens) {
    const row = logits.subarray(first, first + tokens)
    const most = row.reduce((a, b) => Math.max(a, b), -Infinity)
    const sum = row.reduce((total, x) => total + Math.exp(x - most), 0)
    row.forEach((x, t) => (out[first + t] = Math.exp(x - most) / sum))
  }
  return out
}

/** Probabilities and outputs over rotated exact tokens, and over coded keys. */
export async function checkAttention(
  engine: ProbeEngine,
  test: QuantizerCase,
  input: QuantizerInput,
): Promise<string | undefined> {
  const { tokens, array } = input
  const q = Float32Array.from(array('q'))
  const exact = { method: 'hadamard', recent: tokens }
  const output = await attend(engine, input, input.v, q, exact, false)
  const logits = array('logits')
  const centred = { method: 'turboquant', center: true, recent: tokens }
  const largest = logits.reduce((most, x) => Math.max(most, Math.abs(x)), 0)
  for (const quantize of [exact, centred]) {
    const ours = await probabilities(engine, input, q, quantize)
    const off = beyond(
      `probabilities (${quantize.method})`,
      ours,
      array('softmax'),
      2e-6 * Math.max(1, largest),
    )
    if (off) return off
  }
  const wrong = beyond(
    'outputs',
    output,
    array('output'),
    1e-5 * array('output').reduce((most, x) => Math.max(most, Math.abs(x)), 0),
  )
  if (wrong) return wrong
  for (const name of Object.keys(test.arrays)) {
    if (!name.startsWith('logits_') || name === 'logits_centred') continue
    const ours = await probabilities(engine, input, q, quantizerOf(name.slice('logits_'.length)))
    const error = (test as unknown as Record<string, number>)[name.replace('logits', 'logit_rms_error')]
    const off = name.includes('turboquant')
      ? logitsDiffer(name, ours, array(name), tokens, error ?? 0)
      : beyond(name, ours, softmax(array(name), tokens), 1e-4)
    if (off) return off
  }
  return undefined
}
