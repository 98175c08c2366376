import { existsSync } from 'node:fs'
import { backendDevices, loadModel, type BackendDevice, type Model } from '@qpkv/core'
import { registry } from '@qpkv/methods'
import { modelFolder } from '@qpkv/reference-model'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { executor } from './support.ts'

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

describe.skipIf(!existsSync(executor))('the reference model on the host executor', () => {
  let models: { cpu: Model; cuda: Model }
  beforeAll(async () => {
    const device = backendDevices(executor)[0] as BackendDevice
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

describe.skipIf(!existsSync(executor))('the same with products rounded to bf16', () => {
  test(
    'goes through tensor cores, its logits near those of the float32 mode',
    { timeout: 300_000 },
    async () => {
      const logits: Float32Array[] = []
      for (const [device, precision] of [
        ['cpu', 'f32'],
        [backendDevices(executor)[0]!, 'bf16-fast'],
      ] as const) {
        const model = await loadModel(modelFolder, { device, precision, methods: registry })
        const context = await model.prefill(question, { compression: 'none+none' })
        await context.append([100])
        logits.push(await context.logits())
        await model.dispose()
      }
      const [want, got] = logits as [Float32Array, Float32Array]
      const norm = (x: Iterable<number>) => Math.hypot(...x)
      const error = norm(want.map((value, i) => value - got[i]!)) / norm(want)
      // Equal would mean that nothing was rounded; 2^-8 is what one rounding of a factor may cost, some layers of them a few times that.
      expect(error).toBeGreaterThan(1e-5)
      expect(error).toBeLessThan(0.03)
    },
  )
})
