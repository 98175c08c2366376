import { modelFolder } from '@qpkv/reference-model'
import { describe, expect, it } from 'vitest'
import { run } from './run.ts'

describe('qpkv export', () => {
  it('needs a folder to write to, and a GGUF file', async () => {
    const missing = await run(['export', 'model.gguf'])
    expect(missing.code).toBe(2)
    expect(missing.stderr).toMatch(/--out <FOLDER>/)
    const folder = await run(['export', modelFolder, '--out', '/tmp/never-written'])
    expect(folder.code).not.toBe(0)
    expect(folder.stderr).toMatch(/GGUF/)
  })
})
