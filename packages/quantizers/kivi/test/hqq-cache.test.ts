import { openArrays, readJson, type ArrayRef } from '@qpkv/conformance'
import { codeHqq, type HqqStorage } from '../src/index.ts'
import { createRegistry, resolve } from '@qpkv/spec'
import { expect, test } from 'vitest'
import { kivi } from '../src/index.ts'

interface CacheCase {
  nbits: 4
  axis_key: 0 | 1
  axis_value: 0 | 1
  q_group_size: number
  residual_length: number
  prefill_len: number
  prefill_k: ArrayRef
  prefill_v: ArrayRef
  decode_k: ArrayRef
  decode_v: ArrayRef
  steps: {
    step: number
    returned_len: number
    residual_len_after: number
    flushed: boolean
    k?: ArrayRef
    v?: ArrayRef
  }[]
}

const heads = 2
const headDim = 32

/** [heads, a, headDim] and [heads, b, headDim] to [heads, a + b, headDim]. */
function join(a: Float32Array, b: Float32Array): Float32Array {
  const rowA = a.length / heads
  const rowB = b.length / heads
  const both = new Float32Array(a.length + b.length)
  for (let h = 0; h < heads; h++) {
    both.set(a.subarray(h * rowA, (h + 1) * rowA), h * (rowA + rowB))
    both.set(b.subarray(h * rowB, (h + 1) * rowB), h * (rowA + rowB) + rowA)
  }
  return both
}

/** transformers' cache: everything is coded again, from what reading gave, when the residual is full. */
function runCache(
  prefill: Float32Array,
  decode: Float32Array,
  residualLength: number,
  storage: HqqStorage,
): Float32Array[] {
  let stored = codeHqq(prefill, storage).values
  let residual: Float32Array = new Float32Array()
  const step = heads * headDim
  return Array.from({ length: decode.length / step }, (_, i) => {
    residual = join(residual, decode.subarray(i * step, (i + 1) * step))
    const returned = join(stored, residual)
    if (residual.length / step > 1 && residual.length / step >= residualLength) {
      stored = codeHqq(returned, storage).values
      residual = new Float32Array()
    }
    return returned
  })
}

test.each(['hqq-cache-axes-10', 'hqq-cache-axes-11'])(
  '%s: the profile stores what the recorded cache returned',
  (name) => {
    const c = (readJson(new URL(`goldens/${name}.json`, import.meta.url)) as { cases: CacheCase[] }).cases[0]!
    const arrays = openArrays(new URL(`goldens/${name}.bin`, import.meta.url))
    const storage = (axis: 0 | 1): HqqStorage => ({
      bits: c.nbits,
      axis,
      group: c.q_group_size,
      version: '0.2.2',
      optimize: false,
      compute: 'f32',
    })
    for (const [which, axis] of [
      ['k', c.axis_key],
      ['v', c.axis_value],
    ] as const) {
      const returned = runCache(
        arrays.floats(c[`prefill_${which}`]),
        arrays.floats(c[`decode_${which}`]),
        c.residual_length,
        storage(axis),
      )
      for (const step of c.steps) {
        const ours = returned[step.step - 1]!
        expect(ours.length).toBe(heads * step.returned_len * headDim)
        const recorded = step[which]
        if (!recorded) continue
        let differing = 0
        arrays.floats(recorded).forEach((x, i) => (differing += Math.abs(x - ours[i]!) > 2e-4 ? 1 : 0))
        // A tie may round the other way, one step apart.
        expect(differing).toBeLessThanOrEqual(2)
      }
    }
  },
)

test('the qpruningkv profile is simulated, counts that code’s bytes and codes the whole pruned prompt', () => {
  const model = { layers: 2, queryHeads: 4, kvHeads: 2, headDim: 64 }
  const { plan, bytes, hooks } = resolve(
    { quantize: kivi({ profile: 'qpruningkv', bits: 4 }) },
    createRegistry(),
    model,
    { tokens: 100 },
  )
  expect(plan.layers.map((layer) => layer.simulated)).toEqual([
    { keyBits: 4, valueBits: 4 },
    { keyBits: 4, valueBits: 4 },
  ])
  const values = 2 * 100 * 64
  // Per layer and tensor: half a byte per value, 2 + 2 bytes per group of 64.
  expect(bytes).toBe(2 * 2 * (values / 2 + (values / 64) * 4))
  const block = {
    layer: 0,
    tensor: 'key',
    heads: 2,
    tokens: 100,
    headDim: 64,
    values: new Float32Array(values).fill(0.5),
  } as const
  const read = hooks.roundTrip!(block)
  expect(read.bytes).toBe(values / 2 + (values / 64) * 4)
  expect(read.values.every((x) => Math.abs(x - 0.5) < 1e-3)).toBe(true)
})
