import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { loadRecipe, printSpec } from '@qpkv/spec'
import { afterAll, describe, expect, it } from 'vitest'
import { startCommand, wholeLines } from './result-lines.ts'
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

  it('goes on after kill -9 with what it had measured', async () => {
    writeFileSync(
      at('several.txt'),
      Array.from({ length: 13 }, (_, i) => `keydiff:last=${i + 1}+none\n`).join(''),
    )
    const args = (name: string) =>
      'plan --budget 64KiB --context 300 --questions 2 --judged 2 --threads 1 --specs'
        .split(' ')
        .concat(at('several.txt'), '--out', at(`${name}.json`), '--json', at(`${name}-all.json`))
    const measured = at('killed.measured.jsonl')
    let before: string[] = []
    for (const lines of [2, 12, 24]) {
      const child = startCommand(args('killed'))
      const ended = once(child, 'exit')
      while (child.exitCode === null && wholeLines(measured).length < lines) await setTimeout(1)
      child.kill('SIGKILL')
      await ended
      const now = wholeLines(measured)
      expect(now.length).toBeGreaterThanOrEqual(lines)
      expect(now.slice(0, before.length)).toEqual(before)
      expect(existsSync(at('killed.json'))).toBe(false)
      before = now
    }
    const [unbroken, resumed] = [await run(args('unbroken')), await run(args('killed'))]
    expect([unbroken.code, resumed.code]).toEqual([0, 0])
    expect(resumed.stdout).toContain(`${before.length - 1} measurements were there already`)
    const withoutTimes = (name: string) =>
      readFileSync(at(`${name}-all.json`), 'utf8')
        .replace(/"(ms|decodeMs|predictedMs|measuredMs)": [\d.]+/g, '')
        .replace(/"takenOver": \d+/, '')
    expect(withoutTimes('killed')).toBe(withoutTimes('unbroken'))
    // Other options are another run, which is refused by what differs; its recipe is not there yet.
    rmSync(at('killed.json'))
    rmSync(at('killed-all.json'))
    const other = await run([...args('killed'), '--seed', '2'])
    expect([other.code, other.stderr]).toEqual([2, expect.stringMatching(/holds another run: seed 1, now 2/)])
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
