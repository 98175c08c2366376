import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { modelFingerprint } from '../src/index.ts'

it('a model that is one file is told by its size and its ends', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'qpkv-fingerprint-'))
  onTestFinished(() => {
    rmSync(folder, { recursive: true })
  })
  const path = join(folder, 'model.gguf')
  const of = (content: string) => {
    writeFileSync(path, content)
    return modelFingerprint(path)
  }
  const first = await of('GGUF one')
  expect(first).toMatch(/^[0-9a-f]{16}$/)
  expect(await of('GGUF two')).not.toBe(first)
  expect(await of('GGUF one')).toBe(first)
})
