import { loadModel } from '@qpkv/core'
import { modelFolder } from '@qpkv/reference-model'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { run } from './run.ts'

describe('qpkv cache', () => {
  it('lists packed weights and clears them', async () => {
    const cache = mkdtempSync(join(tmpdir(), 'qpkv-cache-'))
    vi.stubEnv('QPKV_CACHE', cache)
    onTestFinished(() => {
      vi.unstubAllEnvs()
      rmSync(cache, { recursive: true })
    })
    expect((await run(['cache', 'list'])).stdout).toMatch(/packed: 0 bytes of at most 20/)
    for (const weights of ['auto', 'int4'] as const) {
      await using model = await loadModel(modelFolder, { weights, packedCache: true, threads: 1 })
      expect(model.weights.place).toBe('packed file')
    }
    const { stdout } = await run(['cache', 'list'])
    expect(stdout).toMatch(/int4 +bf16 +\d/)
    expect(stdout).toMatch(/auto +bf16 +\d/)
    const json = JSON.parse((await run(['cache', 'list', '--json'])).stdout) as { files: unknown[] }
    expect(json.files).toHaveLength(2)
    expect((await run(['cache', 'clear'])).stdout).toMatch(/^removed 2 files, /)
    expect((await run(['cache', 'list'])).stdout).toMatch(/packed: 0 bytes/)
    vi.stubEnv('QPKV_CACHE', 'off')
    expect((await run(['cache', 'list'])).stdout).toMatch(/QPKV_CACHE is off/)
    expect((await run(['cache', 'clear'])).stdout).toMatch(/^removed 0 files/)
  })
})
