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

  it('says that an allocator which measures has the prompt read twice', async () => {
    const flags = ['--prompt', 'Once upon a time there was a fox.', '--max-tokens', '1']
    for (const [spec, twice] of [
      ['snapkv:window=2~layer-preference:queries=2+none@4t', true],
      ['snapkv:window=2+none@4t', false],
    ] as const) {
      const memory = await run(['memory', '--tokens', '400', '--spec', spec])
      expect(/^prefill .*twice/m.test(memory.stdout)).toBe(twice)
      const reply = await run(['generate', ...flags, '--spec', spec, '--report'])
      expect(reply.code, reply.stderr).toBe(0)
      expect(/^prefill .*read twice/m.test(reply.stdout + reply.stderr)).toBe(twice)
    }
  })

  it('names what is not there', async () => {
    const { code, stderr } = await run(['memory', './nosuch'])
    expect(code).not.toBe(0)
    expect(stderr).toMatch(/nosuch/)
  })
})
