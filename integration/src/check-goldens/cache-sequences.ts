import { roundTripHqq, type HqqStorage } from '@qpkv/quantizer-kivi'
import { readFloats, type ArrayReference } from './arrays.ts'
import { ReleasedCache } from './released-cache.ts'
import { Tally, type FamilyResult } from './report.ts'

export interface CacheSequence {
  kind: string
  nbits: 8 | 4 | 3 | 2 | 1
  axis_key: 0 | 1
  axis_value: 0 | 1
  q_group_size: number
  residual_length: number
  prefill_len: number
  decode_steps: number
  heads: number
  head_dim: number
  /** The released LayerQuant passes these two, layer_bits 0 for the cache's own; `quant: false` leaves the layer exact. */
  layer_bits?: number
  quant?: boolean
  threshold?: number
  error?: string
  prefill_k: ArrayReference
  prefill_v: ArrayReference
  decode_k: ArrayReference
  decode_v: ArrayReference
  steps: {
    step: number
    returned_len: number
    residual_len_after: number
    flushed: boolean
    k?: ArrayReference
    v?: ArrayReference
  }[]
}

/** Largest distance within 2e-4, but single values may shift by a quantization step at a tie (0.2 % of them). */
function compareSeen(name: string, ours: Float32Array, theirs: Float32Array): string | undefined {
  if (ours.length !== theirs.length) return `${name}: ${ours.length} values, theirs ${theirs.length}`
  let different = 0
  for (let i = 0; i < ours.length; i++)
    if (!(Math.abs((ours[i] ?? NaN) - (theirs[i] ?? NaN)) <= 2e-4)) different++
  return different <= Math.max(1, 0.002 * ours.length)
    ? undefined
    : `${name}: ${different} of ${ours.length} values differ by more than 2e-4`
}

function checkSequence(folder: string, test: CacheSequence): string | undefined {
  const { heads, head_dim: dim } = test
  const coder = (tensor: 'key' | 'value') => {
    if (test.quant === false) return undefined
    const storage: HqqStorage = {
      bits: (test.layer_bits as HqqStorage['bits'] | undefined) || test.nbits, // 0 means the cache's own
      axis: tensor === 'key' ? test.axis_key : test.axis_value,
      group: test.q_group_size,
      version: '0.2.2',
      optimize: false,
      compute: 'f32',
      ...(test.kind === 'qp_kvquant' ? { threshold: test.threshold ?? 6 } : {}),
    }
    return (values: Float32Array, tokens: number) =>
      roundTripHqq({ layer: 0, tensor, heads, tokens, headDim: dim, values }, storage).values
  }
  const caches = {
    k: new ReleasedCache(readFloats(folder, test.prefill_k), heads, dim, test.residual_length, coder('key')),
    v: new ReleasedCache(
      readFloats(folder, test.prefill_v),
      heads,
      dim,
      test.residual_length,
      coder('value'),
    ),
  }
  const later = { k: readFloats(folder, test.decode_k), v: readFloats(folder, test.decode_v) }
  // Decode inputs are [steps, 1, heads, 1, dim].
  const token = (x: Float32Array, step: number) => x.subarray(step * heads * dim, (step + 1) * heads * dim)
  for (const recorded of test.steps) {
    for (const name of ['k', 'v'] as const) {
      const { seen, flushed } = caches[name].step(token(later[name], recorded.step - 1))
      if (flushed !== recorded.flushed)
        return `step ${recorded.step} ${name}: flushed ${flushed}, theirs ${recorded.flushed}`
      if (caches[name].residual !== recorded.residual_len_after)
        return `step ${recorded.step} ${name}: ${caches[name].residual} left over, theirs ${recorded.residual_len_after}`
      const reference = recorded[name]
      const problem =
        reference && compareSeen(`step ${recorded.step} ${name}`, seen, readFloats(folder, reference))
      if (problem) return problem
    }
  }
  return undefined
}

/** The released code's cache over prefill and decode, re-quantizing flushes included; its storage is the one the profile runs. */
export function checkCacheSequences(folder: string, tests: readonly CacheSequence[]): FamilyResult {
  const tally = new Tally('cache sequences')
  let crashes = 0
  for (const test of tests) {
    const id = `${test.kind} ${test.nbits} bit axes ${test.axis_key}/${test.axis_value} g${test.q_group_size} R=${test.residual_length}`
    if (test.error !== undefined || test.layer_bits === 16) {
      crashes++ // the original stops with an error here; there is nothing to compare
      continue
    }
    try {
      tally.record(id, checkSequence(folder, test))
    } catch (error) {
      tally.record(id, String(error))
    }
  }
  return tally.result({
    simulated: true,
    ...(crashes > 0 ? { notChecked: `${crashes} cases in which the original stops with an error` } : {}),
  })
}
