import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { modelFingerprint } from '../src/index.ts'

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'qpkv-fingerprint-'))
  onTestFinished(() => {
    rmSync(folder, { recursive: true })
  })
  return folder
}

describe('the fingerprint of a model', () => {
  it('of one file sees its size and its ends', async () => {
    const path = join(temporaryFolder(), 'model.gguf')
    const of = (content: string) => {
      writeFileSync(path, content)
      return modelFingerprint(path)
    }
    const first = await of('GGUF one')
    expect(first).toMatch(/^[0-9a-f]{16}$/)
    expect(await of('GGUF two')).not.toBe(first)
    expect(await of('GGUF one')).toBe(first)
  })

  it('of a folder sees configuration, size and both ends of the weights', async () => {
    const folder = join(temporaryFolder(), 'model')
    mkdirSync(folder)
    const weights = Buffer.alloc(3 << 20)
    const write = (config: string) => {
      writeFileSync(join(folder, 'config.json'), config)
      writeFileSync(join(folder, 'model.safetensors'), weights)
    }
    write('{}')
    const first = await modelFingerprint(folder)
    expect(await modelFingerprint(folder)).toBe(first)
    weights[weights.length - 1] = 1
    write('{}')
    const second = await modelFingerprint(folder)
    write('{"a":1}')
    expect(new Set([first, second, await modelFingerprint(folder)]).size).toBe(3)
  })
})
