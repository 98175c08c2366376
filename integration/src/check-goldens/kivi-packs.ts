import type { NativePartExport, ProbeEngine } from '../../../packages/core/test/support/probe.ts'
import type { LayerPlan } from '@qpkv/spec'
import { beyond, readBytesOf, readFloats, readIntegers, type ArrayReference } from './arrays.ts'
import { joinValues, kiviPlan } from './kivi-plan.ts'
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
  engine: ProbeEngine,
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

/** The part of an array that belongs to one head. */
const ofHead = (reference: ArrayReference, head: number, count: number, bytesEach = 4): ArrayReference => ({
  ...reference,
  byte_offset: (reference.byte_offset ?? 0) + bytesEach * head * count,
  shape: [count],
})

function comparePack(
  folder: string,
  test: KiviPack,
  head: number,
  part: NativePartExport[],
  tokens: number,
  headDim: number,
): string | undefined {
  const size = tokens * headDim
  const theirCodes = readBytesOf(folder, ofHead(test.codes, head, size, 1))
  const codes = Uint8Array.from(joinValues(part, 'codes'))
  const perChannel = test.which === 'k'
  const groups = perChannel ? tokens / test.group_size : headDim / test.group_size
  const meta = perChannel ? groups * headDim : tokens * groups
  const floats = (reference: ArrayReference, count: number) =>
    readFloats(folder, ofHead(reference, head, count))
  const [scales, minima] = [floats(test.scale, meta), floats(test.min, meta)]
  const metaIndex = (t: number, c: number) =>
    perChannel ? Math.floor(t / test.group_size) * headDim + c : t * groups + Math.floor(c / test.group_size)
  const values = joinValues(part, 'values')
  const dequant = test.dequant && floats(test.dequant, size)
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
  const theirWords = readIntegers(folder, ofHead(test.packed, head, words.length))
  return beyond(`head ${head} packed words`, words, theirWords, 0)
}

/** KIVI codes, scales, values and packed integers, from our tiles through their reader. */
export async function checkKiviPacks(
  folder: string,
  tests: readonly KiviPack[],
  inputs: Record<string, ArrayReference>,
  engine: ProbeEngine,
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
