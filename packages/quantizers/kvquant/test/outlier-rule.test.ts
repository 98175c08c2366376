import { expect, test } from 'vitest'
import { codeHqq } from '@qpkv/quantizer-kivi'
import { quantizeReference, roundF16 } from '@qpkv/reference'
import { checkFormat, packedFormat, type PackedFormat } from '@qpkv/spec'

const beyond = (threshold: number, share: number, fields: Partial<PackedFormat> = {}) =>
  packedFormat({
    bits: 8,
    scalePer: 'token',
    group: 16,
    outliers: share,
    outlierRule: { kind: 'beyond', threshold },
    ...fields,
  })

/** [10, 40] values from 1 to 2 and a 6; some of 7 and one of -9 among them. */
const x = Float32Array.from({ length: 400 }, (_, i) => 1 + (i % 5) / 4)
x[128] = 6
for (const i of [45, 7, 47, 46]) x[i] = 7
x[200] = -9

const chosen = (marks: Uint8Array) => [...marks.keys()].filter((i) => marks[i] === 1)

test('beyond: strictly greater in size, the largest first, ties to the earlier token and lower channel', () => {
  for (const scalePer of ['token', 'channel'] as const) {
    const kept = (share: number, threshold = 6) =>
      chosen(quantizeReference(x, 10, 40, beyond(threshold, share, { scalePer })).outliers)
    expect(kept(0.02)).toEqual([7, 45, 46, 47, 200])
    expect(kept(0.01)).toEqual([7, 45, 46, 200])
    expect(kept(0.0025)).toEqual([200])
    expect(kept(0.01, 9)).toEqual([])
    expect(kept(0.01, 5.9)).toEqual([7, 45, 46, 200])
    expect(kept(0.02, 5.9)).toEqual([7, 45, 46, 47, 128, 200])
  }
})

test('a value that is kept exactly counts as 0 in its group; one that finds no room is coded', () => {
  const twos = new Float32Array(32).fill(2)
  twos[3] = -9
  const { values, scales, offsets } = quantizeReference(twos, 2, 16, beyond(6, 0.05))
  expect(values[3]).toBe(-9)
  expect([offsets[0], scales[0]]).toEqual([0, roundF16(2 / 255)])
  expect([offsets[1], scales[1]]).toEqual([2, 0])
  const full = quantizeReference(x, 10, 40, beyond(6, 0.01))
  expect(full.values[46]).toBe(7)
  expect(full.values[47]).not.toBe(7)
  expect(Math.abs(full.values[47]! - 7)).toBeLessThan(0.03)
})

test('a group of nothing but such values is one of zeros', () => {
  const large = new Float32Array(16).fill(8)
  const { scales, offsets, values, codes } = quantizeReference(large, 1, 16, beyond(6, 1))
  expect([scales[0], offsets[0]]).toEqual([0, 0])
  expect(values.every((v) => v === 8)).toBe(true)
  expect(codes.every((code) => code === 0)).toBe(true)
})

test('capacities are counted tile by tile', () => {
  const long = new Float32Array(130 * 16).fill(1)
  for (const i of [5, 6, 128 * 16 + 1, 128 * 16 + 2]) long[i] = 7
  // 128 x 16 values: room for 1; the two tokens of the second tile: room for 1.
  const { outliers } = quantizeReference(long, 130, 16, beyond(6, 1 / 2048))
  expect(chosen(outliers)).toEqual([5, 128 * 16 + 1])
})

test('with room for all, reading back is what the released code stores in its axis 1', () => {
  const tokens = 64
  const keys = Float32Array.from(
    { length: tokens * 64 },
    (_, i) => Math.sin(i * 1.7) ** 3 * (i % 64 === 9 ? 9 : 2),
  )
  for (const bits of [8, 4, 3, 2] as const) {
    const ours = quantizeReference(
      keys,
      tokens,
      64,
      beyond(6, 0.1, { bits, group: 64, metadata: 'f32' }),
    ).values
    const theirs = codeHqq(keys, {
      bits,
      axis: 1,
      group: 64,
      version: '0.2.2',
      optimize: false,
      threshold: 6,
      compute: 'f32',
    })
    expect(theirs.outliers).toBeGreaterThan(10)
    ours.forEach((v, i) => expect(Math.abs(v - theirs.values[i]!)).toBeLessThan(2e-5))
  }
})

test('a rule that no kernel knows is refused by name', () => {
  const check = (format: PackedFormat) => () => checkFormat(format, 64, 'key')
  expect(check(beyond(0, 0.01))).not.toThrow()
  expect(check(beyond(-1, 0.01))).toThrow(
    expect.objectContaining({ code: 'KV_METHOD', message: expect.stringContaining('outlierRule.threshold') }),
  )
  expect(check(beyond(NaN, 0.01))).toThrow(/outlierRule\.threshold/)
  expect(check(beyond(6, 0))).toThrow(/outlierRule .* no rule where `outliers` is 0/)
  const unknown = { kind: 'farthest', threshold: 6 } as unknown as NonNullable<PackedFormat['outlierRule']>
  expect(check(beyond(6, 0.01, { outlierRule: unknown }))).toThrow(
    expect.objectContaining({ code: 'KV_UNSUPPORTED' }),
  )
})
