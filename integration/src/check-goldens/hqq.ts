import type { ProbeEngine } from '../../../packages/core/test/support/probe.ts'
import { codeHqq, packHqq } from '@qpkv/quantizer-kivi'
import { solverOf, type LayerPlan, type PackedFormat } from '@qpkv/spec'
import { readBytesOf, readFloats, readIntegers, type ArrayReference } from './arrays.ts'
import { joinValues, kiviPlan } from './kivi-plan.ts'
import { Tally, type FamilyResult } from './report.ts'
import { storeLayer } from './store-layer.ts'

export interface HqqCase {
  tensor: string
  hqq_version: '0.2.2' | '0.2.8.post1'
  nbits: 8 | 4 | 3 | 2 | 1
  axis: 0 | 1
  group_size: number
  optimize: boolean
  codes: ArrayReference
  scale: ArrayReference
  zero: ArrayReference
  mse: number
  packed?: ArrayReference
}

/** What we stored, in the original's grouped layout. */
interface Coded {
  codes: ArrayLike<number>
  scales: ArrayLike<number>
  zeros: ArrayLike<number>
  /** [N], flattened block. */
  values: ArrayLike<number>
}

const versionOf = (test: HqqCase): '0.2.2' | '0.2.8' => (test.hqq_version === '0.2.2' ? '0.2.2' : '0.2.8')
const idOf = (test: HqqCase) =>
  `${test.tensor} ${test.nbits} bit axis ${test.axis} g${test.group_size} ${test.hqq_version}${test.optimize ? ' solver' : ''}`

/**
 * Our kernels store groups of channels of one token (axis 1 with whole groups per token). The solver's stop test
 * runs over the block quantized at once, so its cases need a block that is one tile.
 */
const isNative = (test: HqqCase, tokens: number, headDim: number) =>
  test.axis === 1 &&
  headDim % test.group_size === 0 &&
  headDim % 8 === 0 &&
  headDim >= 32 &&
  (!test.optimize || tokens <= 128)

function planFor(test: HqqCase, tokens: number, headDim: number): LayerPlan {
  const base = kiviPlan({ bits: test.nbits, group: 32, recent: 0 }, { heads: 1, tokens, headDim }, 'f32')
  const format = (packed: PackedFormat): PackedFormat => ({
    ...packed,
    scalePer: 'token',
    group: test.group_size,
    solver: solverOf(test.optimize ? `hqq-${versionOf(test)}` : 'min-max'),
  })
  const segments = base.segments.map((s) =>
    s.key.bits === 16 || s.value.bits === 16 ? s : { ...s, key: format(s.key), value: format(s.value) },
  )
  return { ...base, segments }
}

/** The whole block as one head through our tiles. */
async function codeNatively(
  engine: ProbeEngine,
  test: HqqCase,
  x: Float32Array,
  tokens: number,
  headDim: number,
): Promise<Coded> {
  const plan = planFor(test, tokens, headDim)
  const cache = await storeLayer(engine, { k: x, v: x, heads: 1, tokens, headDim }, plan)
  try {
    const { value } = cache.export(0)
    const groups = headDim / test.group_size
    const scales = new Float32Array(tokens * groups)
    const zeros = new Float32Array(tokens * groups)
    let first = 0
    for (const part of value) {
      // Stored per channel group and token; the original's rows run token by token.
      for (let t = 0; t < part.tokens; t++)
        for (let g = 0; g < groups; g++) {
          const at = g * part.tokens + t
          const scale = part.scales?.[at] ?? 0
          scales[(first + t) * groups + g] = scale
          zeros[(first + t) * groups + g] = scale === 0 ? 0 : -(part.offsets?.[at] ?? 0) / scale
        }
      first += part.tokens
    }
    return { codes: joinValues(value, 'codes'), scales, zeros, values: joinValues(value, 'values') }
  } finally {
    cache.dispose()
  }
}

/** The README's rules for plain rounding: equal codes but for values within 1e-5 of a half. */
function comparePlain(
  test: HqqCase,
  x: Float32Array,
  ours: Coded,
  codes: Uint8Array,
  scales: Float32Array,
  zeros: Float32Array,
): string | undefined {
  const group = test.group_size
  const count = x.length / group
  for (let g = 0; g < count; g++) {
    const [scale, zero] = [scales[g] ?? 0, zeros[g] ?? 0]
    for (let i = 0; i < group; i++) {
      const at = test.axis === 1 ? g * group + i : i * count + g
      if (test.tensor === 'C_const') {
        if (Math.abs((ours.values[at] ?? NaN) - (x[at] ?? NaN)) > Math.max(1e-3, scale))
          return `value ${at} reads ${ours.values[at]}, a constant ${x[at]}`
        continue
      }
      if (ours.codes[at] === codes[at]) continue
      const exact = (x[at] ?? 0) / scale + zero
      const nearHalf =
        Math.abs(Math.abs(exact - Math.floor(exact)) - 0.5) <= 1e-5 * Math.max(1, Math.abs(exact))
      if (!nearHalf || Math.abs((ours.codes[at] ?? 0) - (codes[at] ?? 0)) > 1)
        return `code ${at} is ${ours.codes[at]}, theirs ${codes[at]} (unrounded ${exact})`
    }
  }
  return undefined
}

/** The README's rules for the solver: at most 0.2 % of the codes off by one and close zeros, or the same error within 0.5 %. */
function compareSolved(
  test: HqqCase,
  x: Float32Array,
  ours: Coded,
  codes: Uint8Array,
  zeros: Float32Array,
): string | undefined {
  let different = 0
  let squares = 0
  for (let i = 0; i < x.length; i++) {
    if (ours.codes[i] !== codes[i]) different++
    squares += ((ours.values[i] ?? NaN) - (x[i] ?? NaN)) ** 2
  }
  const mse = squares / x.length
  const closeZeros = zeros.every(
    (zero, g) => Math.abs((ours.zeros[g] ?? NaN) - zero) <= 1e-3 * Math.max(1, Math.abs(zero)),
  )
  if (different <= 0.002 * x.length && closeZeros) return undefined
  if (Math.abs(mse - test.mse) <= 0.005 * test.mse + 1e-12) return undefined
  return `${different} of ${x.length} codes differ, mean squared error ${mse}, theirs ${test.mse}`
}

/**
 * HQQ codes, scales and zeros: through our tiles where their groups exist there, else
 * through the storage of the profile (simulated).
 */
export async function* checkHqq(
  folder: string,
  tests: readonly HqqCase[],
  inputs: Record<string, ArrayReference>,
  engine: ProbeEngine,
  once: boolean,
): AsyncGenerator<FamilyResult> {
  const native = new Tally('hqq', engine.table)
  const simulated = new Tally('hqq')
  for (const test of tests) {
    const input = inputs[test.tensor]
    const [, heads = 1, perHead = 1, headDim = 1] = input?.shape ?? []
    const tokens = heads * perHead
    const runNative = input !== undefined && isNative(test, tokens, headDim)
    if (!runNative && !once) continue
    const tally = runNative ? native : simulated
    try {
      if (!input) throw new Error(`no input ${test.tensor}`)
      const x = readFloats(folder, input)
      const storage = {
        bits: test.nbits,
        axis: test.axis,
        group: test.group_size,
        version: versionOf(test),
        optimize: test.optimize,
        compute: 'f32',
      } as const
      const ours: Coded = runNative
        ? await codeNatively(engine, test, x, tokens, headDim)
        : codeHqq(x, storage)
      const flat = (reference: ArrayReference) => readFloats(folder, reference)
      const codes = readBytesOf(folder, test.codes)
      const [scales, zeros] = [flat(test.scale), flat(test.zero)]
      let problem = test.optimize
        ? compareSolved(test, x, ours, codes, zeros)
        : comparePlain(test, x, ours, codes, scales, zeros)
      // A tile packs by its own layout; there the original's packing is checked on the original's codes.
      problem ??= comparePacked(folder, test, runNative ? codes : Uint8Array.from(ours.codes))
      tally.record(idOf(test), problem)
    } catch (error) {
      tally.record(idOf(test), String(error))
    }
  }
  yield native.result()
  if (once) yield simulated.result({ simulated: true })
}

function comparePacked(folder: string, test: HqqCase, codes: Uint8Array): string | undefined {
  const rows = test.axis === 1 ? codes.length / test.group_size : test.group_size
  const reference = test.packed
  if (!reference || test.tensor === 'C_const') return undefined
  const ours = packHqq(codes, rows, test.nbits)
  const theirs = ours instanceof Int32Array ? readIntegers(folder, reference) : readBytesOf(folder, reference)
  const at = [...ours].findIndex((value, index) => value !== theirs[index])
  return at < 0 && ours.length === theirs.length
    ? undefined
    : `packed word ${at} of ${ours.length} is ${ours[at]}, theirs ${theirs[at]} of ${theirs.length}`
}
