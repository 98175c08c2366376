import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { codeHqq, packHqq, type HqqStorage } from '../src/index.ts'

interface Ref {
  at: number
  shape: number[]
}
interface HqqCase {
  tensor: 'A_key' | 'C_const'
  hqq_version: string
  nbits: 4 | 3 | 2
  axis: 0 | 1
  group_size: number
  optimize: boolean
  codes: Ref
  scale: Ref
  zero: Ref
  packed?: Ref
  mse: number
}
const file = JSON.parse(readFileSync(new URL('goldens/hqq.json', import.meta.url), 'utf8')) as {
  inputs: Record<string, Ref>
  cases: HqqCase[]
}
const bytes = readFileSync(new URL('goldens/hqq.bin', import.meta.url))
const size = (ref: Ref) => ref.shape.reduce((a, b) => a * b, 1)
const floats = (ref: Ref) =>
  new Float32Array(bytes.buffer.slice(bytes.byteOffset + ref.at, bytes.byteOffset + ref.at + size(ref) * 4))
const codesOf = (ref: Ref) => bytes.subarray(ref.at, ref.at + size(ref))

test.each(file.cases)(
  'hqq $hqq_version, $tensor, $nbits bit, axis $axis, group $group_size, solver $optimize',
  (c) => {
    const x = floats(file.inputs[c.tensor]!)
    const storage: HqqStorage = {
      bits: c.nbits,
      axis: c.axis,
      group: c.group_size,
      version: c.hqq_version.startsWith('0.2.2') ? '0.2.2' : '0.2.8',
      optimize: c.optimize,
      compute: 'f32',
    }
    const ours = codeHqq(x, storage)
    const mse = x.reduce((sum, v, i) => sum + (v - ours.values[i]!) ** 2, 0) / x.length
    if (c.tensor === 'C_const') {
      const ownZeros = floats(c.zero)
      expect(Math.abs(mse - c.mse)).toBeLessThanOrEqual(0.005 * c.mse + 1e-9)
      if (!c.optimize)
        ownZeros.forEach((z, i) =>
          expect(Math.abs(ours.zeros[i]! - z)).toBeLessThanOrEqual(1e-6 * Math.max(1, Math.abs(z))),
        )
      return
    }
    expect([...ours.codes]).toEqual([...codesOf(c.codes)])
    floats(c.scale).forEach((s, i) => expect(Math.abs(ours.scales[i]! - s)).toBeLessThanOrEqual(1e-6 * s))
    floats(c.zero).forEach((z, i) =>
      expect(Math.abs(ours.zeros[i]! - z)).toBeLessThanOrEqual(1e-6 * Math.max(1, Math.abs(z))),
    )
    if (!c.packed) return
    const rows = c.axis === 1 ? x.length / c.group_size : c.group_size
    const packed = packHqq(ours.codes, rows, c.nbits)
    expect(
      Buffer.from(packed.buffer).equals(
        Buffer.from(bytes.subarray(c.packed.at, c.packed.at + packed.byteLength)),
      ),
    ).toBe(true)
  },
)

// What version 0.2.8's packing functions give for two columns; [bits, rows, words].
test.each<[1 | 2 | 3 | 4, number, number[]]>([
  [4, 1, []],
  [4, 3, [14, 117, 12, 118]],
  [4, 6, [13, 116, 235, 82, 204, 99]],
  [3, 9, [110478344, 1037120128]],
  [3, 11, [73957376, 1044672512, 897810432, 745209856]],
  [2, 1, []],
  [2, 5, [33, 216, 35, 218]],
  [2, 7, [33, 216, 35, 218, 32, 219, 34, 217]],
  [2, 8, [14, 233, 144, 78]],
  [1, 7, []],
  [1, 15, [24, 198]],
  [1, 33, [99, 140, 49, 198, 24, 99, 140, 49]],
])('hqq packs %i-bit codes of %i rows, words full or not', (bits, rows, words) => {
  const codes = Uint8Array.from({ length: rows * 2 }, (_, i) => (i * 7 + 3 * Math.floor(i / 5)) % 2 ** bits)
  expect([...packHqq(codes, rows, bits)]).toEqual(words)
})

test.each<[2 | 4, number]>([
  [4, 5],
  [2, 2],
  [2, 9],
])('where hqq stops, at %i bit and %i rows, rows are padded with zeros', (bits, rows) => {
  const codes = Uint8Array.from({ length: rows * 2 }, (_, i) => (i * 7) % 2 ** bits)
  const run = Math.ceil(rows / (8 / bits))
  const padded = new Uint8Array(run * (8 / bits) * 2)
  padded.set(codes)
  expect(packHqq(codes, rows, bits)).toEqual(packHqq(padded, padded.length / 2, bits))
})

/** The original's packing read as slices of rows [first, end) that are broadcast over one another; undefined: it stops. */
function packSlices(rows: readonly number[][], bits: 1 | 2 | 3 | 4): number[] | undefined {
  const perWord = bits === 3 ? 10 : 8 / bits
  const missing = bits === 3 ? (perWord - (rows.length % perWord)) % perWord : 0
  const all = [...rows, ...Array.from({ length: missing }, () => rows[0]!.map(() => 0))]
  const step = Math.floor(all.length / perWord)
  const slices = Array.from({ length: perWord }, (_, i) =>
    all.slice(i * step, i === perWord - 1 && (bits === 2 || bits === 4) ? all.length : (i + 1) * step),
  )
  const lengths = new Set(slices.map((slice) => slice.length).filter((length) => length !== 1))
  if (lengths.size > 1) return undefined
  const [length = 1] = lengths
  return Array.from({ length }, (_, r) =>
    rows[0]!.map((_, c) =>
      slices.reduce((word, slice, i) => {
        const code = slice[slice.length === 1 ? 0 : r]![c]!
        return word | (code << (bits * (perWord - 1 - i)))
      }, 0),
    ),
  ).flat()
}

test.each<1 | 2 | 3 | 4>([1, 2, 3, 4])(
  'hqq packs %i-bit codes of any number of rows, on either axis',
  (bits) => {
    let state = 11 * bits
    const random = (below: number) => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) % below
    let compared = 0
    for (let rows = 1; rows <= 130; rows++) {
      // Axis 1: groups are rows; axis 0: the group's values are, as many as its size.
      const columns = rows % 3 === 0 ? 64 : 1 + random(5)
      const grid = Array.from({ length: rows }, () =>
        Array.from({ length: columns }, () => (random(1 << 20) >> 8) % 2 ** bits),
      )
      const want = packSlices(grid, bits)
      if (!want) continue
      compared++
      expect([...packHqq(Uint8Array.from(grid.flat()), rows, bits)], `${rows} rows`).toEqual(want)
    }
    expect(compared).toBeGreaterThan(bits === 1 || bits === 3 ? 129 : 30)
  },
)

test('the recorded set has packed and solved cases', () => {
  expect(file.cases.some((c) => c.packed)).toBe(true)
  expect(file.cases.some((c) => c.optimize)).toBe(true)
})
