import { describe, expect, it } from 'vitest'
import { run } from './run.ts'

describe('the command line', () => {
  it('explains itself and exits with 0', async () => {
    const help = await run(['--help'])
    expect(help.code).toBe(0)
    expect(help.stdout).toMatch(/generate[^]*chat[^]*methods[^]*doctor/)
    expect((await run(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
  })

  it.each([
    [['generat'], /unknown command 'generat'/],
    [['generate', '--nosuch'], /unknown option/],
    [['generate', '--threads', '0', '--prompt', 'x'], /whole number of at least 1/],
    [['generate'], /exactly one of --prompt TEXT/],
    [['generate', '--prompt', 'a', '-'], /exactly one of/],
    [['generate', '--prompt-file', 'no-such-file'], /no-such-file/],
    [['generate', '--prompt', 'x', '--spec', 'none+none', '--prune', 'snapkv'], /--spec TEXT, or --prune/],
    [['generate', '--prompt', 'x', '--spec', 'gone.json'], /no file gone.json/],
    [['generate', '--prompt', 'x', '--budget', '64'], /not a budget/],
    [['generate', '--prompt', 'x', '--spec', 'none+int8', '--spec', 'none+kivi'], /before, as "none\+int8"/],
    [['methods', 'nosuch'], /no method named nosuch/],
  ])('wrong: %j exits with 2 and one line', async (args, pattern) => {
    const { code, stdout, stderr } = await run(args)
    expect(stderr).toMatch(pattern)
    expect(stderr).not.toMatch(/\n\s+at /)
    expect(stdout).toBe('')
    expect(code).toBe(2)
  })

  it('names a model that is not there, and exits with 1', async () => {
    const { code, stderr } = await run(['generate', '--prompt', 'x', '--model', '/no/such/model'])
    expect(code).toBe(1)
    expect(stderr).toBe(
      'error: Expected a model folder at /no/such/model, but there is nothing of that name. [KV_CONFIG]\nhint: Check the path; a model of the hub is written org/name.\n',
    )
  })
})

describe('qpkv methods', () => {
  it('lists pruners and quantizers with their options', async () => {
    const { stdout, code } = await run(['methods'])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^snapkv +pruner +window=32,kernel=7/m)
    expect(stdout).toMatch(/^kivi +quantizer +bits=4/m)
  })

  it('explains one', async () => {
    expect((await run(['methods', 'kivi'])).stdout).toMatch(/arxiv[^]*bits +4 +one of 8, 4, 3, 2, 1/)
    const json = JSON.parse((await run(['methods', 'snapkv', '--json'])).stdout) as { name: string }[]
    expect(json.map(({ name }) => name)).toEqual(['snapkv'])
  })
})
