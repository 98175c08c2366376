import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { run } from './run.ts'

const folder = mkdtempSync(join(tmpdir(), 'qpkv-kept-'))
afterAll(() => {
  rmSync(folder, { recursive: true })
})
const file = (name: string) => join(folder, name)

describe('a spec that no prompt could make right', () => {
  const wrong = [
    ['an unknown method', 'snapkw+none@64t', /snapkw/],
    ['an unknown option', 'none+kivi:grupe=32', /grupe/],
    ['a value that the method refuses', 'none+kivi:group=7', /group/],
    ['parts that contradict each other', 'snapkv+kvquant:profile=nosuch@64t', /nosuch/],
  ] as const

  it.each(wrong)(
    '%s ends bench, dry run and sweep with exit code 2 before anything is written',
    async (_, spec, said) => {
      const out = file('never.jsonl')
      writeFileSync(file('with-wrong.txt'), `none+none\n${spec}\n`)
      const bench = ['bench', 'needle', '--length', '300', '--samples', '1', '--keys', '2', '--out', out]
      const grid = file('wrong-grid.json')
      const task = { bench: 'needle', options: { lengths: [300], samples: 1, keys: 2 } }
      writeFileSync(grid, JSON.stringify({ tasks: [task], specs: ['none+none', spec] }))
      const folder = file('never')
      for (const args of [
        [...bench, '--specs', file('with-wrong.txt')],
        [...bench, '--spec', spec, '--dry-run'],
        ['sweep', grid, '--out', folder, '--dry-run'],
        ['sweep', grid, '--out', folder],
      ]) {
        const { code, stderr } = await run(args)
        expect(stderr).toMatch(said)
        expect(code).toBe(2)
        expect([existsSync(out), existsSync(folder)]).toEqual([false, false])
      }
    },
  )

  it('one that only some prompts make wrong fails on those, alone', async () => {
    const out = file('some.jsonl')
    writeFileSync(file('some.txt'), 'none+none\nsnapkv+none@2t\n')
    const few = [
      '--length',
      '300',
      '--samples',
      '2',
      '--keys',
      '2',
      '--specs',
      file('some.txt'),
      '--out',
      out,
    ]
    const { code, stderr, stdout } = await run(['bench', 'needle', ...few])
    expect(stdout).toMatch(/none\+none .*\(2\/2\)/)
    expect(stderr).toMatch(/2 results are missing: KV_BUDGET_TOO_SMALL/)
    expect(code).toBe(1)
  })

  it('two runs of one file: another task is refused, and nothing of the first is lost', async () => {
    const out = file('kept.jsonl')
    const few = ['bench', 'needle', '--samples', '1', '--keys', '2', '--out', out]
    await run([...few, '--length', '300', '--spec', 'none+kivi:bits=4'])
    const before = readFileSync(out, 'utf8')
    const other = await run([...few, '--length', '320'])
    expect(other.stderr).toMatch(/holds another run: lengths \[300\], now \[320\]/)
    expect(other.code).toBe(2)
    expect(readFileSync(out, 'utf8')).toBe(before)
    await run([...few, '--length', '300', '--spec', 'none+kivi:bits=2'])
    expect(readFileSync(out, 'utf8').startsWith(before)).toBe(true)
    await run([...few, '--length', '320', '--replace'])
    expect(readFileSync(out, 'utf8')).not.toContain('"lengths":[300]')
  })
})
