import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { backendDevices, loadModel, type BackendDevice, type Model } from '@qpkv/core'
import { registry } from '@qpkv/methods'
import { modelFolder } from '@qpkv/reference-model'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

/** The kernels as C++ on the host; `npm run cuda:test` builds it. */
const library = join(import.meta.dirname, '..', 'build', 'qpkv_cuda_executor.so')
const sentences = [
  'The bridge of Orme was painted green.',
  'Kay keeps nine hens behind the mill.',
  'It rained in Tarn.',
]
const question = `${Array.from({ length: 12 }, (_, i) => sentences[i % 3]).join(' ')} The password of Ada of Selby is calm-moon. What is the password of Ada of Selby?`

/** Pruned, coded, before RoPE, with running eviction: what reads every part of the cache. */
const specs = [
  'none+none',
  'snapkv+kivi:bits=4@60%',
  'h2o+none@40%',
  'keydiff+kvquant:bits=3@50%',
  'streamingllm+kivi:bits=2@60%',
]

describe.skipIf(!existsSync(library))('the reference model on the host executor', () => {
  let models: { cpu: Model; cuda: Model }
  beforeAll(async () => {
    const device = backendDevices(library)[0] as BackendDevice
    const open = (on: 'cpu' | BackendDevice) =>
      loadModel(modelFolder, { device: on, precision: 'f32', methods: registry })
    models = { cpu: await open('cpu'), cuda: await open(device) }
  }, 120_000)
  afterAll(async () => {
    await models.cpu.dispose()
    await models.cuda.dispose()
  })

  test('is another table', () => {
    expect(models.cuda.table).toBe('cuda')
  })

  test.each(specs)(
    '%s: the same tokens and bytes',
    async (spec) => {
      const answers = []
      for (const model of [models.cpu, models.cuda]) {
        const context = await model.prefill(question, { compression: spec })
        const { text, tokens } = await context.generate({ maxTokens: 12 }).result
        answers.push({ text, tokens, bytes: context.report.bytes })
        await context.dispose()
      }
      expect(answers[1]).toEqual(answers[0])
    },
    300_000,
  )
})
