import { expect, test } from 'vitest'
import { layerCase } from './support/layer-cases.ts'
import { addon, fullPlan, openModel } from './support/open-model.ts'
import { referenceModel } from './support/run-program.ts'

// The API above the addon allows none of this; whoever calls the addon itself gets an error, never a crash.

test('a finished prefill refuses every further step', async () => {
  const open = await openModel(referenceModel)
  const run = open.model.startPrefill(
    Int32Array.from({ length: 20 }, (_, i) => i + 5),
    [fullPlan(open.config, 20)],
  )
  for (let layer = 0; layer < open.config.layers; layer++) {
    await run.runLayer()
    await run.compressLayer(0)
  }
  await run.finish()
  const spent = expect.objectContaining({ code: 'KV_DISPOSED' }) as Error
  await expect(run.finish()).rejects.toThrow(spent)
  await expect(run.runLayer()).rejects.toThrow(spent)
  await expect(run.compressLayer(0)).rejects.toThrow(spent)
  await expect(run.allLogits()).rejects.toThrow(spent)
  await expect(run.scores(0)).rejects.toThrow(spent)
  await expect(run.exact('key')).rejects.toThrow(spent)
})

test('arrays of another type are refused: bytes would be read beyond their end', () => {
  const engine = addon.createEngine({ threads: 1 })
  const options = layerCase({ tokens: 20 })
  const bytes = new Uint8Array(options.k.length) as never
  for (const wrong of [bytes, [...options.k] as never, undefined as never])
    expect(() => engine.createLayerCache({ ...options, k: wrong })).toThrow(
      expect.objectContaining({ code: 'KV_INVALID_OPTION' }) as Error,
    )
})

test('an object that is disposed of while its options are read comes to no harm', async () => {
  const open = await openModel(referenceModel)
  const run = open.model.startPrefill(
    Int32Array.from({ length: 20 }, (_, i) => i + 5),
    [fullPlan(open.config, 20)],
  )
  await run.runLayer()
  const options = {
    get scores(): Float32Array {
      run.dispose()
      return new Float32Array(open.config.kvHeads * 20)
    },
  }
  expect(() => run.compressLayer(0, options)).toThrow(
    expect.objectContaining({ code: 'KV_DISPOSED' }) as Error,
  )
  const plan = {
    ...fullPlan(open.config, 20),
    get heads(): 'kv' {
      open.model.dispose()
      return 'kv'
    },
  }
  open.model.startPrefill(Int32Array.of(5), [plan]).dispose()
})

test('a number of threads that no machine has is refused', () => {
  for (const threads of [0, -1, 1025, 2 ** 31 - 1])
    expect(() => addon.createEngine({ threads })).toThrow(
      expect.objectContaining({ code: 'KV_INVALID_OPTION' }) as Error,
    )
})

test('a layer cache takes neither scores of another length nor a head that no kernel holds', () => {
  const engine = addon.createEngine({ threads: 1 })
  const refused = expect.objectContaining({ code: 'KV_INVALID_OPTION' }) as Error
  const options = layerCase({ tokens: 20 })
  expect(() => engine.createLayerCache({ ...options, scores: new Float32Array(39) })).toThrow(refused)
  for (const shape of [{ headDim: 264 }, { headDim: 33 }, { queryHeads: 3 }, { kvHeads: 0 }])
    expect(() => engine.createLayerCache(layerCase({ tokens: 20, ...shape }))).toThrow(refused)
})
