import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { modelFolder } from '@qpkv/reference-model'
import { describe, expect, it, vi } from 'vitest'
import { estimateModel, loadModel, type MemoryEstimate } from '../src/index.ts'
import { HubServer } from './hub/hub-server.ts'
import { runProgram } from './native/support/run-program.ts'
import { temporaryFolder } from './support/model-folder.ts'
import { throwsKv } from './support/throws.ts'

/** Without what depends on the process. */
const facts = ({ process: _process, peak: _peak, ...rest }: MemoryEstimate) => rest

describe('estimateModel', () => {
  it.each(['auto', 'int8', 'int4'] as const)(
    'counts weights (%s) and caches to the byte',
    async (weights) => {
      const estimate = await estimateModel(modelFolder, { tokens: 300, weights, specs: [{}, {}] })
      await using model = await loadModel(modelFolder, { weights, threads: 1 })
      await using context = await model.prefill(Int32Array.from({ length: 300 }, (_, i) => i + 5))
      expect(estimate.weights).toBe(model.weightBytes)
      expect(estimate.formats).toEqual(model.weights.formats)
      expect(estimate.caches).toEqual([context.report.bytes.planned, context.report.bytes.planned])
      expect(estimate.peak).toBeGreaterThan(estimate.process + estimate.weights + estimate.prefill)
    },
  )

  it.runIf(process.platform === 'linux')(
    'is close to what a process takes',
    async () => {
      const { estimate, peak } = (await runProgram('estimate-and-load.ts', modelFolder, '1500')) as {
        estimate: MemoryEstimate
        peak: number
      }
      // The garbage collector's moods are a few MB of some 130; bench:estimate prints the figures.
      expect(Math.abs(estimate.peak / peak - 1)).toBeLessThan(0.06)
      expect(estimate.peak - estimate.process).toBeGreaterThan(0.6 * (peak - estimate.process))
      expect(estimate.peak - estimate.process).toBeLessThan(1.4 * (peak - estimate.process))
    },
    60_000,
  )

  it("of a hub's model fetches headers alone", async () => {
    const file = (name: string) => ({ content: readFileSync(join(modelFolder, name)) })
    const server = await HubServer.start({
      'config.json': file('config.json'),
      'tokenizer.json': file('tokenizer.json'),
      'model.safetensors': { ...file('model.safetensors'), large: true },
    })
    vi.stubEnv('HF_ENDPOINT', server.address)
    vi.stubEnv('HF_HOME', temporaryFolder())
    try {
      const remote = await estimateModel('org/tiny', { tokens: 100 })
      expect(facts(remote)).toEqual(facts(await estimateModel(modelFolder, { tokens: 100 })))
      const ranges = server.contentRequests('model.safetensors').map(({ range }) => range)
      expect(ranges[0]).toBe('bytes=0-7')
      expect(ranges).toHaveLength(4) // each is redirected to the storage host
      const last = Number(/-(\d+)$/.exec(ranges[3] ?? '')?.[1])
      expect(last).toBeLessThan(statSync(join(modelFolder, 'model.safetensors')).size / 100)
      expect(server.contentRequests('tokenizer.json')).toHaveLength(0)
    } finally {
      vi.unstubAllEnvs()
    }
  })

  it('refuses what it does not know', async () => {
    await throwsKv('KV_INVALID_OPTION', /wieghts.*weights/s, () =>
      estimateModel(modelFolder, { wieghts: 'int8' } as never),
    )
    await throwsKv('KV_INVALID_OPTION', /tokens/, () => estimateModel(modelFolder, { tokens: 0 }))
    await throwsKv('KV_CONFIG', /config\.json/, () => estimateModel(temporaryFolder()))
  })
})
