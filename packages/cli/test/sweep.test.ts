import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { run } from './run.ts'

const folder = mkdtempSync(join(tmpdir(), 'qpkv-sweep-'))
afterAll(() => {
  rmSync(folder, { recursive: true })
})
const file = (name: string) => join(folder, name)

describe('qpkv sweep', () => {
  const out = file('sweep')
  const grid = {
    title: 'A small sweep',
    notes: ['Made for a test.'],
    tasks: [
      { bench: 'needle', options: { lengths: [256], samples: 2, keys: 2, depths: [50] } },
      {
        bench: 'ruler',
        options: { protocol: 'query-agnostic', tasks: ['niah_single_1'], lengths: [512], samples: 1 },
      },
    ],
    specs: ['none+none'],
    prune: ['keydiff:last=8'],
    quantize: ['none', 'kivi:bits=4,group=32,recent=8'],
    budgets: ['64x16', '1t'],
  }

  it('says the cost, runs the jobs, and goes on where it ended', async () => {
    writeFileSync(file('grid.json'), JSON.stringify(grid))
    const dry = await run(['sweep', file('grid.json'), '--out', out, '--dry-run'])
    expect(dry.code).toBe(0)
    expect(dry.stderr).toMatch(/reference needle query-aware: 2 samples x 5 specs, at most [\d.]+ h/)
    expect(readdirSync(out)).toEqual(['jobs.json'])
    const jobs = JSON.parse(readFileSync(join(out, 'jobs.json'), 'utf8')) as { id: string }[]
    expect(jobs.map(({ id }) => id.length)).toEqual([16, 16])
    const first = await run(['sweep', file('grid.json'), '--out', out, '--workers', '2', '--copies', '2'])
    expect(first.stderr).not.toContain('error')
    expect(first.code).toBe(0)
    expect(first.stdout).toMatch(/A small sweep|reference needle query-aware/)
    const results = () => readdirSync(out).filter((name) => name.endsWith('.jsonl'))
    const lines = () => results().flatMap((name) => readFileSync(join(out, name), 'utf8').trim().split('\n'))
    const samples = lines().filter((line) => line.startsWith('{"kind":"sample"'))
    // One token is less than keydiff keeps anyway: those rows fail alone, and every other one is there.
    expect(samples).toHaveLength(3 * 3)
    expect(lines().some((line) => line.includes('KV_BUDGET_TOO_SMALL'))).toBe(true)
    const exports = ['--json', file('swept.json'), '--csv', file('swept.csv')]
    const again = await run(['sweep', file('grid.json'), '--out', out, ...exports])
    expect(JSON.parse(readFileSync(file('swept.json'), 'utf8'))).toHaveLength(2)
    expect(readFileSync(file('swept.csv'), 'utf8').split('\r\n')).toHaveLength(1 + samples.length + 1)
    expect(again.code).toBe(0)
    expect(lines().filter((line) => line.startsWith('{"kind":"sample"'))).toEqual(samples)
  })

  it('qpkv report draws a folder and leaves out what is no result', async () => {
    writeFileSync(join(out, 'other.jsonl'), '{"no":"header"}\n')
    const { code, stdout, stderr } = await run([
      'report',
      out,
      '--out',
      file('page'),
      '--title',
      'T <1>',
      '--json',
      file('all.json'),
      '--summary',
      file('sum.json'),
      '--markdown',
      file('results.md'),
    ])
    expect(code).toBe(0)
    expect(stderr).toMatch(/left out: .*other\.jsonl, line 1: expected a run header/)
    expect(stdout).toMatch(/report\.html \(2 result files\)/)
    const page = readFileSync(join(file('page'), 'report.html'), 'utf8')
    expect(page).toContain('T &lt;1&gt;')
    expect(page).toContain('reference, ruler, query-agnostic')
    expect(page).not.toMatch(/src="|href="http|url\((?!#)/)
    expect(readdirSync(join(file('page'), 'pictures')).length).toBeGreaterThan(1)
    expect(JSON.parse(readFileSync(file('all.json'), 'utf8'))).toHaveLength(2)
    const rows = JSON.parse(readFileSync(file('sum.json'), 'utf8')) as { row: string; bytes: number }[]
    expect(rows).toHaveLength(6)
    const markdown = () => readFileSync(file('results.md'), 'utf8')
    expect(markdown()).toMatch(/^<!-- results: begin -->\n\n## At equal real bytes/)
    writeFileSync(file('results.md'), `Before.\n${markdown()}After.\n`)
    const again = ['report', out, '--out', file('page'), '--markdown', file('results.md')]
    await run(again)
    expect(markdown()).toMatch(/^Before\.\n<!-- results: begin -->[^]*<!-- results: end -->\nAfter\.\n$/)
    expect(markdown().match(/## At equal/g)).toHaveLength(1)
    writeFileSync(file('results.md'), 'no marks')
    expect((await run(again)).stderr).toMatch(/results\.md has no lines <!-- results: begin -->/)
    expect((await run(['report', out, '--strict'])).code).toBe(1)
  })

  it('names file and place of a wrong grid', async () => {
    const wrong = async (value: unknown) => {
      writeFileSync(file('wrong.json'), typeof value === 'string' ? value : JSON.stringify(value))
      return (await run(['sweep', file('wrong.json'), '--out', out])).stderr
    }
    expect(await wrong('{\n"models": [,]\n}')).toMatch(/wrong\.json:2: here the file stops being JSON/)
    expect(await wrong('{"title": "a",\n\n "models": ["b"]\n "tasks": []}')).toMatch(/wrong\.json:4: /)
    expect(await wrong('{"title": "a\nb"}')).toMatch(/wrong\.json:1: /)
    expect(await wrong('{"a": [1, {"b": null}],\n')).toMatch(/wrong\.json:2: /)
    expect(await wrong({ ...grid, budgets: ['64'] })).toMatch(/wrong\.json, budgets\[0\]: /)
    expect(await wrong({ ...grid, tasks: [{ bench: 'nosuch' }] })).toMatch(/no benchmark named "nosuch"/)
    const option = { bench: 'needle', options: { lenghts: [256] } }
    expect(await wrong({ ...grid, tasks: [option] })).toMatch(/Unknown option needle\.lenghts/)
    expect(await wrong({ ...grid, colour: 1 })).toMatch(/wrong\.json: Unknown field colour/)
  })

  it("states the cost of the paper's grids before it begins", async () => {
    for (const name of ['table', 'budget', 'quantizers', 'groups', 'layers', 'lengths', 'ruler'].map(
      (one) => `paper-${one}`,
    )) {
      const { code, stderr } = await run([
        'sweep',
        name,
        '--dry-run',
        '--out',
        file(name),
        '--samples',
        '1',
        '--group',
        '32',
        '--recent',
        '8',
        '--window',
        '16',
      ])
      expect(code).toBe(0)
      expect(stderr).toMatch(/in all at most [\d.]+ h/)
    }
    const refused = await run(['sweep', 'paper-table', '--lengths', '512', '--dry-run'])
    expect(refused.stderr).toMatch(/--lengths changes nothing in paper-table\..*\n.*--tokens, --longbench/)
    expect((await run(['sweep', 'paper-models', '--dry-run'])).stderr).toMatch(/needs the models to compare/)
    const [job] = JSON.parse(readFileSync(join(file('paper-table'), 'jobs.json'), 'utf8')) as {
      specs: { label: string }[]
    }[]
    // Four methods, three sizes, four widths; the full cache and three widths alone.
    expect(job?.specs).toHaveLength(4 * 3 * 4 + 4)
    expect(job?.specs.map(({ label }) => label)).toContain('h2o+kivi:bits=2,group=32,recent=8@512t')
  })
})
