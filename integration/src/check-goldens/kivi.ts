import type { NativeEngine, NativePartExport } from '@qpkv/core'
import type { LayerPlan } from '@qpkv/spec'
import { registry } from '@qpkv/methods'
import { resolve } from '@qpkv/spec'
import { beyond, readBytesOf, readFloats, readIntegers, sliceTokens, type ArrayReference } from './arrays.ts'
import type { Fault } from './pruners.ts'
import { Tally, type FamilyResult } from './report.ts'
import { storeLayer } from './store-layer.ts'

export interface KiviPack {
  tensor: string
  which: 'k' | 'v'
  bits: 2 | 4 | 8
  group_size: number
  packed: ArrayReference
  codes: ArrayReference
  scale: ArrayReference
  min: ArrayReference
  dequant?: ArrayReference
  packed_transposed_D_T?: ArrayReference
}

export interface KiviStream {
  prompt_len: number
  residual_length: number
  group_size: number
  bits: 2 | 4 | 8
  decode_steps: number
  k_in: ArrayReference
  v_in: ArrayReference
  k_final: ArrayReference
  v_final: ArrayReference
  trace: { step: number; k_quant: number; k_full: number; v_quant: number; v_full: number }[]
}

/** One layer with everything kept, under the given KIVI options. */
export function kiviPlan(
  options: { bits: number; group: number; recent: number; residual?: 'kivi' },
  facts: { heads: number; tokens: number; headDim: number },
  precision: 'bf16' | 'f16' | 'f32',
): LayerPlan {
  const model = { layers: 1, queryHeads: facts.heads, kvHeads: facts.heads, headDim: facts.headDim }
  const { plan } = resolve(
    { quantize: { method: 'kivi', ...options } },
    registry,
    model,
    { tokens: facts.tokens },
    { precision },
  )
  const [layer] = plan.layers
  if (!layer) throw new Error('a plan without layers')
  return layer
}

/** All parts of one head put behind one another: [tokens, headDim]. */
export function joinValues(parts: readonly NativePartExport[], field: 'values' | 'codes'): Float32Array {
  const arrays = parts.map((part) => part[field] ?? new Uint8Array())
  const out = new Float32Array(arrays.reduce((total, a) => total + a.length, 0))
  let at = 0
  for (const array of arrays) {
    out.set(array, at)
    at += array.length
  }
  return out
}

/** 32 / bits codes in an int32, little end first: the released layout, from our codes along one axis. */
function packWords(
  codes: Uint8Array,
  rows: number,
  columns: number,
  bits: number,
  along: 'rows' | 'columns',
): Int32Array {
  const per = 32 / bits
  const [outRows, outColumns] = along === 'rows' ? [rows / per, columns] : [rows, columns / per]
  const out = new Int32Array(outRows * outColumns)
  for (let r = 0; r < rows; r++)
    for (let c = 0; c < columns; c++) {
      const code = codes[r * columns + c] ?? 0
      const [index, position] =
        along === 'rows'
          ? [Math.floor(r / per) * columns + c, r % per]
          : [r * outColumns + Math.floor(c / per), c % per]
      out[index] = (out[index] ?? 0) | (code << (bits * position))
    }
  return out
}

/** Tile exports of K (or V) of every head: codes [heads, tokens, dim], scales and minima per head and tile. */
async function packOne(
  engine: NativeEngine,
  values: Float32Array,
  heads: number,
  tokens: number,
  headDim: number,
  plan: LayerPlan,
): Promise<{ key: NativePartExport[]; value: NativePartExport[] }[]> {
  const cache = await storeLayer(engine, { k: values, v: values, heads, tokens, headDim }, plan)
  try {
    return Array.from({ length: heads }, (_, head) => cache.export(head))
  } finally {
    cache.dispose()
  }
}

/** Groups with scale 0: codes are free there, values must be the minimum. */
const isFlat = (scales: Float32Array, index: number) => scales[index] === 0

function comparePack(
  folder: string,
  test: KiviPack,
  head: number,
  part: NativePartExport[],
  tokens: number,
  headDim: number,
): string | undefined {
  const size = tokens * headDim
  const theirCodes = readBytesOf(folder, {
    ...test.codes,
    byte_offset: (test.codes.byte_offset ?? 0) + head * size,
    shape: [size],
  })
  const codes = Uint8Array.from(joinValues(part, 'codes'))
  const perChannel = test.which === 'k'
  const groups = perChannel ? tokens / test.group_size : headDim / test.group_size
  const meta = perChannel ? groups * headDim : tokens * groups
  const read = (reference: ArrayReference) =>
    readFloats(folder, {
      ...reference,
      byte_offset: (reference.byte_offset ?? 0) + 4 * head * meta,
      shape: [meta],
    })
  const [scales, minima] = [read(test.scale), read(test.min)]
  const metaIndex = (t: number, c: number) =>
    perChannel ? Math.floor(t / test.group_size) * headDim + c : t * groups + Math.floor(c / test.group_size)
  const values = joinValues(part, 'values')
  const dequant =
    test.dequant &&
    readFloats(folder, {
      ...test.dequant,
      byte_offset: (test.dequant.byte_offset ?? 0) + 4 * head * size,
      shape: [size],
    })
  for (let t = 0; t < tokens; t++)
    for (let c = 0; c < headDim; c++) {
      const i = t * headDim + c
      const m = metaIndex(t, c)
      if (isFlat(scales, m)) {
        if (values[i] !== minima[m])
          return `head ${head} token ${t} channel ${c}: a flat group reads ${values[i]}, its minimum is ${minima[m]}`
        continue
      }
      if (codes[i] !== theirCodes[i])
        return `head ${head} token ${t} channel ${c}: code ${codes[i]}, theirs ${theirCodes[i]}`
      const theirs = dequant?.[i]
      if (
        theirs !== undefined &&
        Math.abs((values[i] ?? NaN) - theirs) > 1e-5 * Math.max(1, Math.abs(theirs))
      )
        return `head ${head} token ${t} channel ${c}: value ${values[i]}, theirs ${theirs}`
    }
  if ([...scales].some((s) => s === 0)) return undefined
  const along = perChannel ? 'rows' : 'columns'
  const words = packWords(codes, tokens, headDim, test.bits, along)
  const theirWords = readIntegers(folder, {
    ...test.packed,
    byte_offset: (test.packed.byte_offset ?? 0) + 4 * head * words.length,
    shape: [words.length],
  })
  return beyond(`head ${head} packed words`, words, theirWords, 0)
}

/** KIVI codes, scales, values and packed integers, from our tiles through their reader. */
export async function checkKiviPacks(
  folder: string,
  tests: readonly KiviPack[],
  inputs: Record<string, ArrayReference>,
  engine: NativeEngine,
  fault: Fault = {},
): Promise<FamilyResult> {
  const tally = new Tally('kivi packs', engine.table)
  for (const test of tests) {
    const id = `${test.tensor} ${test.which} ${test.bits} bit g${test.group_size}`
    const input = inputs[test.tensor]
    if (!input) {
      tally.record(id, `no input ${test.tensor}`)
      continue
    }
    const [, heads = 1, tokens = 1, headDim = 1] = input.shape
    try {
      const plan = kiviPlan(
        { bits: test.bits, group: test.group_size, recent: 0 },
        { heads, tokens, headDim },
        'f32',
      )
      const exports = await packOne(engine, readFloats(folder, input), heads, tokens, headDim, plan)
      let problem: string | undefined
      for (const [head, { key, value }] of exports.entries()) {
        const part = test.which === 'k' ? key : value
        const [first] = part
        if (first?.codes) fault.codes?.(first.codes)
        problem ??= comparePack(folder, test, head, part, tokens, headDim)
      }
      tally.record(id, problem)
    } catch (error) {
      tally.record(id, String(error))
    }
  }
  return tally.result()
}

const countTokens = (parts: readonly NativePartExport[], packed: boolean) =>
  parts.filter((part) => (part.bits !== 16) === packed).reduce((total, part) => total + part.tokens, 0)

async function checkStream(
  folder: string,
  test: KiviStream,
  engine: NativeEngine,
): Promise<string | undefined> {
  const [, heads = 1, total = 1, headDim = 1] = test.k_in.shape
  const k = readFloats(folder, test.k_in)
  const v = readFloats(folder, test.v_in)
  const slice = (x: Float32Array, from: number, count: number) =>
    sliceTokens(x, [heads, total, headDim], from, count)
  const plan = kiviPlan(
    { bits: test.bits, group: test.group_size, recent: test.residual_length, residual: 'kivi' },
    { heads, tokens: test.prompt_len, headDim },
    'f32',
  )
  const cache = await storeLayer(
    engine,
    {
      k: slice(k, 0, test.prompt_len),
      v: slice(v, 0, test.prompt_len),
      heads,
      tokens: test.prompt_len,
      headDim,
    },
    plan,
  )
  try {
    for (const { step, ...lengths } of test.trace) {
      if (step > 0)
        await cache.append(
          slice(k, test.prompt_len + step - 1, 1),
          slice(v, test.prompt_len + step - 1, 1),
          1,
        )
      const { key, value } = cache.export(0)
      const ours = {
        k_quant: countTokens(key, true),
        k_full: countTokens(key, false),
        v_quant: countTokens(value, true),
        v_full: countTokens(value, false),
      }
      for (const name of Object.keys(ours) as (keyof typeof ours)[])
        if (ours[name] !== lengths[name])
          return `step ${step}: ${name} is ${ours[name]}, theirs ${lengths[name]}`
    }
    const [finalK, finalV] = [readFloats(folder, test.k_final), readFloats(folder, test.v_final)]
    const size = total * headDim
    for (let head = 0; head < heads; head++) {
      const { key, value } = cache.export(head)
      const problem =
        beyond(
          `head ${head} keys`,
          joinValues(key, 'values'),
          finalK.subarray(head * size, (head + 1) * size),
          1e-5 * 20,
        ) ??
        beyond(
          `head ${head} values`,
          joinValues(value, 'values'),
          finalV.subarray(head * size, (head + 1) * size),
          1e-5 * 20,
        )
      if (problem) return problem
    }
    return undefined
  } finally {
    cache.dispose()
  }
}

/** The original's residual rule over prefill and decode: lengths at every step, and what reading back gives at the end. */
export async function checkKiviStreams(
  folder: string,
  tests: readonly KiviStream[],
  engine: NativeEngine,
): Promise<FamilyResult> {
  const tally = new Tally('kivi streams', engine.table)
  for (const test of tests) {
    const id = `${test.bits} bit, prompt ${test.prompt_len}, residual ${test.residual_length}`
    tally.record(id, await checkStream(folder, test, engine).catch((error: unknown) => String(error)))
  }
  return tally.result()
}
