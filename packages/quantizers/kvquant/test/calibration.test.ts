import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { randomValues } from '@qpkv/conformance'
import { readBack } from '@qpkv/reference'
import { resolve, type PackedFormat } from '@qpkv/spec'
import { expect, test } from 'vitest'
import { calibrateLayer, calibrationHash, kvquant, makeCalibration } from '../src/index.ts'

const model = { layers: 1, queryHeads: 2, kvHeads: 2, headDim: 64 }
const tokens = 257

/** Values with two humps: levels at normal quantiles fit them badly. */
const humps = (seed: number) =>
  randomValues(2 * tokens * 64, seed, 0.15).map((x, i) => x + ((i * 7919) % 13 < 6 ? 1 : -1))
const activations = { heads: 2, tokens, headDim: 64, key: humps(1), value: humps(2) }
const calibration = makeCalibration({ model: 'test', tokens, weighted: false }, [calibrateLayer(activations)])
const planOf = (quantize: ReturnType<typeof kvquant>) =>
  resolve({ quantize }, undefined, model, { tokens: 300 }).plan
const packedOf = (quantize: ReturnType<typeof kvquant>) =>
  planOf(quantize).layers[0]!.segments.find((s) => s.role === 'packed')!

test('a calibration brings the levels closer to the values than normal-float ones', () => {
  const error = (format: PackedFormat, values: Float32Array) => {
    const own = values.subarray(0, tokens * 64)
    return readBack(own, tokens, 64, format).reduce((sum, v, i) => sum + (v - own[i]!) ** 2, 0)
  }
  for (const tensor of ['key', 'value'] as const)
    for (const bits of [2, 3, 4] as const) {
      const fresh = tensor === 'key' ? humps(3) : humps(4)
      const fitted = packedOf(kvquant({ bits, calibration: calibration as never }))[tensor] as PackedFormat
      const normal = packedOf(kvquant({ bits }))[tensor] as PackedFormat
      expect(error(fitted, fresh)).toBeLessThan(error(normal, fresh))
    }
})

test('several prompts are one set of points', () => {
  const twice = calibrateLayer([activations, activations])
  expect(twice.key[2].map((x) => x.toFixed(6))).toEqual(
    calibration.layers[0]!.key[2].map((x) => x.toFixed(6)),
  )
})

test('weights pull the levels to where they are', () => {
  const weights = (values: Float32Array) => values.map((x) => (x > 0 ? 100 : 0.01))
  const weighted = calibrateLayer({
    ...activations,
    keyWeights: weights(activations.key),
    valueWeights: weights(activations.value),
  })
  const above = (levels: readonly number[]) => levels.filter((x) => x > 0).length
  expect(above(weighted.value[4])).toBeGreaterThan(above(calibration.layers[0]!.value[4]))
})

test('the plan carries the hash of the calibration, or says that there is none', () => {
  expect(planOf(kvquant({ calibration: calibration as never })).calibration).toBe(
    calibrationHash(calibration),
  )
  expect(planOf(kvquant()).notes).toEqual(['kvquant: no calibration file, normal-float levels are used'])
  const wrong = kvquant({ calibration: calibration as never, calibrationHash: '00' })
  expect(() => planOf(wrong)).toThrow(expect.objectContaining({ code: 'KV_CONFLICT' }))
})

test('a file is the same as its content; a broken, missing or foreign one is said to be', () => {
  const folder = mkdtempSync(join(tmpdir(), 'qpkv-calibration-'))
  try {
    const file = join(folder, 'c.json')
    writeFileSync(file, JSON.stringify(calibration))
    expect(planOf(kvquant({ calibration: file }))).toEqual(
      planOf(kvquant({ calibration: calibration as never })),
    )
    const broken = { ...calibration, layers: [{ ...calibration.layers[0]!, key: { 4: [1, 2] } }] }
    for (const text of [
      '{',
      '{}',
      '[]',
      JSON.stringify({ ...calibration, calibrationVersion: 2 }),
      JSON.stringify(broken),
    ]) {
      writeFileSync(file, text)
      expect(() => planOf(kvquant({ calibration: file }))).toThrow(
        expect.objectContaining({ code: 'KV_DATA' }),
      )
    }
    expect(() => planOf(kvquant({ calibration: join(folder, 'nothing.json') }))).toThrow(
      expect.objectContaining({
        message: expect.stringContaining('cannot read'),
        hint: expect.stringContaining('qpkv calibrate'),
      }),
    )
  } finally {
    rmSync(folder, { recursive: true })
  }
  const two = { ...model, layers: 2 }
  const quantize = kvquant({ calibration: calibration as never })
  expect(() => resolve({ quantize }, undefined, two, { tokens: 9 })).toThrow(/1 layers, the model 2/)
})

test('keys are stored before RoPE with positions, the first token exactly, one percent apart', () => {
  const layer = planOf(kvquant()).layers[0]!
  expect(layer.segments.map((s) => s.role)).toEqual(['sinks', 'packed', 'recent'])
  expect(layer.keys.rope).toBe('before')
  expect(packedOf(kvquant()).key).toMatchObject({ scalePer: 'channel', outliers: 0.01 })
  expect(packedOf(kvquant()).value).toMatchObject({ scalePer: 'token', group: 64 })
})
