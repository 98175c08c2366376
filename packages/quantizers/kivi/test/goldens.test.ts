import { openArrays, readJson, type ArrayRef } from '@qpkv/conformance'
import { quantizeReference, readBack } from '@qpkv/reference'
import { resolve, segmentTokens, type PackedFormat } from '@qpkv/spec'
import { expect, test } from 'vitest'
import { kivi } from '../src/index.ts'

const at = (name: string) => new URL(`goldens/${name}`, import.meta.url)
const model = { layers: 1, queryHeads: 2, kvHeads: 2, headDim: 64 }

interface PackCase {
  tensor: 'A_key'
  which: 'k' | 'v'
  bits: 2 | 4 | 8
  group_size: 32
  packed: ArrayRef
  codes: ArrayRef
  scale: ArrayRef
  min: ArrayRef
  dequant?: ArrayRef
}

const packFile = readJson(at('kivi-pack.json')) as { inputs: Record<string, ArrayRef>; cases: PackCase[] }
const packArrays = openArrays(at('kivi-pack.bin'))

/** The packed formats of a plan in the float32 mode. */
function formats(bits: 2 | 4 | 8, tokens: number) {
  const { plan } = resolve({ quantize: kivi({ bits }) }, undefined, model, { tokens }, { precision: 'f32' })
  const packed = plan.layers[0]!.segments.find((s) => s.role === 'packed')!
  return { k: packed.key as PackedFormat, v: packed.value as PackedFormat }
}

test.each(packFile.cases)('codes, scales and minima equal the recorded pack of $which at $bits bit', (c) => {
  const input = packArrays.floats(packFile.inputs[c.tensor]!)
  const [, heads = 0, tokens = 0, headDim = 0] = packFile.inputs[c.tensor]!.shape
  const codes = packArrays.bytes(c.codes)
  const scales = packArrays.floats(c.scale)
  const minima = packArrays.floats(c.min)
  const dequant = c.dequant && packArrays.floats(c.dequant)
  const size = tokens * headDim
  for (let h = 0; h < heads; h++) {
    const ours = quantizeReference(
      input.subarray(h * size, (h + 1) * size),
      tokens,
      headDim,
      formats(c.bits, 300)[c.which],
    )
    expect([...ours.codes]).toEqual([...codes.subarray(h * size, (h + 1) * size)])
    // Recorded: keys [token groups, headDim] as here, values [tokens, channel groups].
    const groups = scales.length / heads
    const rows = headDim / c.group_size
    for (let g = 0; g < groups; g++) {
      const own = c.which === 'k' ? g : (g % rows) * tokens + Math.floor(g / rows)
      expect(ours.scales[own]).toBeCloseTo(scales[h * groups + g]!, 6)
      expect(ours.offsets[own]).toBe(minima[h * groups + g])
    }
    dequant
      ?.subarray(h * size, (h + 1) * size)
      .forEach((x, i) =>
        expect(Math.abs(ours.values[i]! - x)).toBeLessThanOrEqual(1e-5 * Math.max(1, Math.abs(x))),
      )
  }
})

interface StreamCase {
  prompt_len: number
  residual_length: number
  bits: 2 | 4
  decode_steps: number
  k_in: ArrayRef
  v_in: ArrayRef
  k_final: ArrayRef
  v_final: ArrayRef
  trace: { step: number; k_quant: number; k_full: number; v_quant: number; v_full: number }[]
}
const stream = (readJson(at('kivi-stream.json')) as { cases: StreamCase[] }).cases[0]!
const streamArrays = openArrays(at('kivi-stream.bin'))

test('the kivi residual rule splits a prompt as the original does', () => {
  const { residual_length: recent, bits } = stream
  for (const tokens of [5, recent, 64, 70, 96, 97, 128]) {
    const { plan } = resolve({ quantize: kivi({ bits, recent, residual: 'kivi' }) }, undefined, model, {
      tokens,
    })
    const layer = plan.layers[0]!
    expect(segmentTokens(layer, 'key', tokens)).toEqual([tokens - (tokens % recent), tokens % recent])
    expect(segmentTokens(layer, 'value', tokens)).toEqual([
      Math.max(0, tokens - recent),
      Math.min(recent, tokens),
    ])
  }
  const start = stream.trace[0]!
  const { plan } = resolve({ quantize: kivi({ bits, recent, residual: 'kivi' }) }, undefined, model, {
    tokens: stream.prompt_len,
  })
  expect(segmentTokens(plan.layers[0]!, 'key', stream.prompt_len)).toEqual([start.k_quant, start.k_full])
  expect(segmentTokens(plan.layers[0]!, 'value', stream.prompt_len)).toEqual([start.v_quant, start.v_full])
})

test('what a stream reads back at its end equals the recorded one: blocks once, from exact values', () => {
  const end = stream.trace.at(-1)!
  const total = end.k_quant + end.k_full
  const check = (which: 'k' | 'v', quantized: number) => {
    const input = streamArrays.floats(stream[`${which}_in`])
    const final = streamArrays.floats(stream[`${which}_final`])
    for (let h = 0; h < 2; h++) {
      const own = input.subarray(h * total * 64, (h + 1) * total * 64)
      const packed = readBack(
        own.subarray(0, quantized * 64),
        quantized,
        64,
        formats(stream.bits, 300)[which],
      )
      const ours = [...packed, ...own.subarray(quantized * 64)]
      const recorded = final.subarray(h * total * 64, (h + 1) * total * 64)
      ours.forEach((x, i) =>
        expect(Math.abs(x - recorded[i]!)).toBeLessThanOrEqual(1e-5 * Math.max(1, Math.abs(x))),
      )
    }
  }
  check('k', end.k_quant)
  check('v', end.v_quant)
})
