import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { backendDevices, loadModel } from '@qpkv/core'
import { registry } from '@qpkv/methods'
import { modelFolder } from '@qpkv/reference-model'
import { expect, test } from 'vitest'
import { executor } from './support.ts'

/** Answers with so many tokens; calls of the CUDA runtime, launches among them, that the process has made by then. */
async function calls(tokens: number): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'qpkv-calls-'))
  process.env['QPKV_EXECUTOR_REPORT'] = join(folder, 'report')
  const device = backendDevices(executor)[0]!
  const model = await loadModel(modelFolder, { device, precision: 'f32', methods: registry })
  const context = await model.prefill('The bridge of Orme was painted green. It rained in Tarn.', {
    compression: 'none+none',
  })
  const { tokens: made } = await context.generate({ maxTokens: tokens, stopTokens: [] }).result
  expect(made).toHaveLength(tokens)
  await context.dispose()
  await model.dispose()
  const [all] = readFileSync(join(folder, 'report'), 'utf8').split(' ').map(Number)
  delete process.env['QPKV_EXECUTOR_REPORT']
  rmSync(folder, { recursive: true })
  return all!
}

// What the host does for a token is what it costs beside the kernels: one recorded step is launched, what has changed is sent, what was
// chosen is read. Half of the calls make the device the thread's own. That does not grow with layers or kernels.
test.skipIf(!existsSync(executor))(
  'a token takes a few calls of the runtime, however many kernels it runs',
  { timeout: 300_000 },
  async () => {
    const first = await calls(8)
    const second = await calls(8)
    const third = await calls(24)
    const each = (third - second - (second - first)) / 16
    expect(each).toBeGreaterThan(0)
    expect(each).toBeLessThan(48)
  },
)
