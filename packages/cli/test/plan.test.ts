import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadRecipe, printSpec } from '@qpkv/spec'
import { afterAll, describe, expect, it } from 'vitest'
import { run } from './run.ts'

const folder = mkdtempSync(join(tmpdir(), 'qpkv-plan-'))
afterAll(() => {
  rmSync(folder, { recursive: true })
})
const at = (name: string) => join(folder, name)

describe('qpkv plan', { timeout: 60_000 }, () => {
  it('prints a frontier, draws it, and writes a recipe that other commands take', async () => {
    writeFileSync(
      at('specs.txt'),
      'keydiff+kivi:bits=4,recent=8\nstreamingllm+kivi:bits=4,recent=8 # windows\n',
    )
    const args = [
      'plan',
      '--budget',
      '64KiB',
      '--context',
      '400',
      '--specs',
      at('specs.txt'),
      '--questions',
      '4',
      '--judged',
      '2',
    ]
    const files = ['--out', at('recipe.json'), '--picture', at('plan.svg'), '--json', at('plan.json')]
    const { code, stdout, stderr } = await run([...args, ...files])
    expect(code).toBe(0)
    expect(stdout).toMatch(/spec +bytes +of full +answers kept +95 % +KL nats +ms\/token/)
    expect(stdout).toMatch(/^recommended for 400 tokens: keydiff\+kivi:bits=4,recent=8@64KiB$/m)
    expect(stderr).toContain(`--recipe ${at('recipe.json')}`)
    const recipe = loadRecipe(readFileSync(at('recipe.json'), 'utf8'))
    expect([printSpec(recipe.spec), recipe.model.name]).toEqual([
      'keydiff+kivi:bits=4,recent=8@64KiB',
      'reference',
    ])
    expect(readFileSync(at('plan.svg'), 'utf8')).toMatch(/^<svg/)
    expect(JSON.parse(readFileSync(at('plan.json'), 'utf8'))).toMatchObject({
      points: 'answers',
      context: 400,
    })

    writeFileSync(at('prompt.txt'), ' The red boat crosses the hill.'.repeat(30))
    const ask = (recipe: string) =>
      run(['generate', '--prompt-file', at('prompt.txt'), '--max-tokens', '1', '--recipe', recipe])
    expect((await ask(at('recipe.json'))).code).toBe(0)
    // Nothing is written over without being told.
    const again = await run([...args, ...files])
    expect([again.code, again.stderr]).toEqual([2, expect.stringMatching(/is there already/)])
  })

  it('names what is wrong before it begins', async () => {
    const missing = await run(['plan', '--context', '400'])
    expect([missing.code, missing.stderr]).toEqual([2, expect.stringMatching(/--budget/)])
    const file = await run([
      'plan',
      '--budget',
      '64KiB',
      '--context',
      '400',
      '--text',
      at('nosuch.txt'),
      '--out',
      at('x.json'),
    ])
    expect([file.code, file.stderr]).toEqual([2, expect.stringMatching(/nosuch\.txt/)])
    const small = await run(['plan', '--budget', '64B', '--context', '400', '--out', at('x.json')])
    expect([small.code, small.stderr]).toEqual([1, expect.stringMatching(/No candidate fits/)])
    expect(existsSync(at('x.json'))).toBe(false)
  })
})

describe('qpkv tune-bits', { timeout: 60_000 }, () => {
  it('prints tuned against uniform bits and writes a recipe', async () => {
    writeFileSync(
      at('text.txt'),
      ' The red boat crosses the hill. A small owl sings near the quiet lake.'.repeat(60),
    )
    const args = [
      'tune-bits',
      '--text',
      at('text.txt'),
      '--measure',
      '96',
      '--calibrated',
      '1',
      '--judged',
      '2',
      '--out',
      at('bits.json'),
    ]
    const { code, stdout } = await run([...args, '--widths', '4,2', '--quantize', 'kivi:recent=8'])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^held-out text +bytes +KL nats +same next token$/m)
    expect(stdout).toMatch(/^layers? \d.* +keys \d bit +values \d bit +errors alone/m)
    expect(stdout).toMatch(/^recommended: none\+kivi:recent=8#/m)
    const { protocols, tokens } = loadRecipe(readFileSync(at('bits.json'), 'utf8'))
    expect([protocols.length, tokens]).toEqual([2, { from: 1, to: 96 }])
    const again = await run(args)
    expect([again.code, again.stderr]).toEqual([2, expect.stringMatching(/is there already/)])
    const wrong = await run([...args, '--bits', '5'])
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringMatching(/8, 4, 3 or 2/)])
  })
})
