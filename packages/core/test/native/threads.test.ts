import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { temporaryFolder } from '../support/model-folder.ts'
import { addon, describeModel, fullPlan, generateGreedy, openModel, prefill } from './support/open-model.ts'
import { referenceModel, runProgram } from './support/run-program.ts'

const ids = Array.from({ length: 100 }, (_, i) => (i * 37 + 11) % 3000)

test('worker threads run engines of their own beside the main thread', async () => {
  const generated = (await runProgram('generate-in-workers.ts', referenceModel)) as number[][]
  expect(generated).toHaveLength(4)
  for (const got of generated) expect(got).toEqual(generated[0])
  expect(generated[0]).toHaveLength(12)
}, 60_000)

test('two contexts of one engine may work at the same time', async () => {
  const open = await openModel(referenceModel)
  const { contexts } = await prefill(open, ids, [fullPlan(open.config, ids.length)])
  const one = contexts[0]!
  const two = one.fork()
  const [a, b] = await Promise.all([generateGreedy(one, 12), generateGreedy(two, 12)])
  expect(a).toEqual(b)
})

test('NaN in the weights of a layer is refused, naming the layer', async () => {
  const folder = temporaryFolder()
  copyFileSync(join(referenceModel, 'config.json'), join(folder, 'config.json'))
  const file = readFileSync(join(referenceModel, 'model.safetensors'))
  const headerBytes = Number(file.readBigUInt64LE(0))
  const header = JSON.parse(file.subarray(8, 8 + headerBytes).toString()) as Record<
    string,
    { data_offsets: [number, number] }
  >
  const [begin] = header['model.layers.2.self_attn.o_proj.weight']!.data_offsets
  file.writeUInt16LE(0x7fc0, 8 + headerBytes + begin)
  writeFileSync(join(folder, 'model.safetensors'), file)
  const open = await openModel(folder)
  await expect(prefill(open, ids, [fullPlan(open.config, ids.length)])).rejects.toMatchObject({
    code: 'KV_NUMERIC',
    message: expect.stringContaining('layer 2') as string,
  }) // The hidden states of the layer are gone by then: nothing can go on from them.
  const run = open.model.startPrefill(Int32Array.from(ids), [])
  await run.runLayer()
  await run.runLayer()
  await expect(run.runLayer()).rejects.toThrow('layer 2 hold NaN')
  await expect(run.runLayer()).rejects.toThrow('start another prefill')
})

test('a description that points beyond its file is refused', async () => {
  const folder = temporaryFolder()
  copyFileSync(join(referenceModel, 'config.json'), join(folder, 'config.json'))
  copyFileSync(join(referenceModel, 'model.safetensors'), join(folder, 'model.safetensors'))
  const { description } = await describeModel(folder, 'bf16')
  const engine = addon.createEngine({ threads: 1 })
  const norm = description.tensors['norm']!
  const tensors = { ...description.tensors, norm: { ...norm, offset: 2 ** 40 } }
  await expect(engine.loadModel({ ...description, tensors })).rejects.toMatchObject({ code: 'KV_MODEL_FILE' })
  await expect(
    engine.loadModel({ ...description, files: [join(folder, 'gone.safetensors')] }),
  ).rejects.toMatchObject({ code: 'KV_MODEL_FILE' })
})
