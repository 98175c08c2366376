import { modelFolder } from '@qpkv/reference-model'
import { describe, expect, it } from 'vitest'
import { loadModel, type WeightsMode } from '../../src/index.ts'

const ids = Int32Array.from({ length: 90 }, (_, i) => (i * 37) % 500)
const load = (weights: WeightsMode, threads = 2) => loadModel(modelFolder, { weights, threads })

describe('weights', () => {
  it('as stored are what `auto` means for safetensors, bit for bit', async () => {
    await using auto = await load('auto')
    await using stored = await load('stored')
    expect((await auto.logits(ids)).logits).toEqual((await stored.logits(ids)).logits)
  })

  it.each(['int8', 'int4'] as const)(
    '%s give the same logits with any number of threads',
    async (weights) => {
      await using one = await load(weights, 1)
      await using three = await load(weights, 3)
      expect((await one.logits(ids)).logits).toEqual((await three.logits(ids)).logits)
    },
  )

  it('meet activations in bytes in bf16-fast, and report says so', async () => {
    await using accurate = await load('int4')
    await using fast = await loadModel(modelFolder, { weights: 'int4', precision: 'bf16-fast', threads: 2 })
    const [a, b] = [(await accurate.logits(ids)).logits, (await fast.logits(ids)).logits]
    const size = (x: Float32Array) => Math.hypot(...x.subarray(-500))
    const apart = size(a.map((x, i) => x - (b[i] ?? NaN))) / size(a)
    expect(apart).toBeGreaterThan(0)
    expect(apart).toBeLessThan(0.05)
    await using context = await fast.prefill(ids)
    expect(context.report.engine.weights.activations).toEqual(['bytes'])
  })

  it('in use are named by model and report', async () => {
    await using model = await load('int4')
    const context = await model.prefill(ids)
    const { engine } = context.report
    expect(engine).toEqual({
      table: model.table,
      threads: 2,
      precision: 'bf16',
      weights: {
        mode: 'int4',
        formats: expect.any(Object) as object,
        place: 'memory',
        activations: ['words'],
      },
    })
    expect(Object.keys(engine.weights.formats)).toEqual(['4 bit in groups of 32', '8 bit in groups of 32'])
    const matrices = Object.values(engine.weights.formats).reduce((sum, bytes) => sum + bytes, 0)
    expect(model.weightBytes / matrices).toBeGreaterThan(1)
    expect(model.weightBytes / matrices).toBeLessThan(1.02) // norms and rotary tables beside
    await model.dispose()
    expect(context.report.engine).toEqual(engine)
    await context.dispose()
  })
})
