import { describe, expect, it } from 'vitest'
import { run } from './run.ts'

describe('qpkv memory', () => {
  it('says what a model will take, for people and for machines', async () => {
    const { code, stdout } = await run([
      'memory',
      '--tokens',
      '400',
      '--weights',
      'int4',
      '--spec',
      'none+kivi:bits=4',
    ])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^weights .*4 bit in groups of 32/m)
    expect(stdout).toMatch(/^cache .* under none\+kivi:bits=4$/m)
    expect(stdout).toMatch(/^peak /m)
    const json = JSON.parse((await run(['memory', '--tokens', '400', '--json'])).stdout) as {
      weights: number
      caches: number[]
    }
    expect(json.weights).toBeGreaterThan(7_000_000)
    expect(json.caches).toHaveLength(1)
  })

  it('names what is not there', async () => {
    const { code, stderr } = await run(['memory', './nosuch'])
    expect(code).not.toBe(0)
    expect(stderr).toMatch(/nosuch/)
  })
})
