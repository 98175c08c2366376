import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { run } from './run.ts'

const folder = mkdtempSync(join(tmpdir(), 'qpkv-bench-'))
afterAll(() => {
  rmSync(folder, { recursive: true })
})
const file = (name: string) => join(folder, name)
const JOINT = 'keydiff:last=8+kivi:bits=8,group=32,recent=8@50%'

describe('qpkv bench ruler', () => {
  const out = file('ruler.jsonl')
  const args = [
    'bench',
    'ruler',
    '--tasks',
    'niah_single_1,qa_1',
    '--length',
    '512',
    '--samples',
    '2',
    '--out',
    out,
  ]

  it('prints a table, says what the samples are, and names what could not be made', async () => {
    writeFileSync(file('specs.txt'), `# rows\nnone+none\n${JOINT} # joint\n`)
    const { code, stdout, stderr } = await run([
      ...args,
      '--specs',
      file('specs.txt'),
      '--csv',
      file('r.csv'),
    ])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^none\+none +512 +100\.0 +100\.0$/m)
    expect(stdout).toContain('mean of 1 of 13 RULER tasks')
    expect(stdout).toContain('no benchmark score')
    expect(stderr).toMatch(/left out: qa_1 at length 512: No sample of at most/)
    expect(readFileSync(file('r.csv'), 'utf8').split('\r\n')).toHaveLength(1 + 4 + 1)
  })

  it('stops at what could not be made with --strict, and names a broken line of --specs', async () => {
    const strict = await run([...args, '--strict'])
    expect(strict.code).not.toBe(0)
    expect(strict.stderr).toMatch(/error: qa_1 at length 512/)
    writeFileSync(file('bad.txt'), 'none+none\nnonsense@\n')
    const bad = await run([...args, '--specs', file('bad.txt')])
    expect(bad.code).toBe(2)
    expect(bad.stderr).toContain('bad.txt:2: ')
    expect((await run(['bench', 'ruler', '--tasks', 'nosuch'])).stderr).toMatch(/no task named "nosuch"/)
  })

  it('qpkv run repeats it to the letter', async () => {
    const { code, stdout } = await run(['run', out, '--out', file('again.jsonl')])
    expect(stdout).toMatch(/^4 of 4 results are the same/m)
    expect(code).toBe(0)
  })

  it('qpkv compare pairs the samples', async () => {
    const { code, stdout } = await run(['compare', out, file('again.jsonl'), '--json', file('c.json')])
    expect(code).toBe(0)
    expect(stdout).toMatch(/match on 2 samples: A 1\.0000, B 1\.0000, B - A \+0\.0000/)
    expect(JSON.parse(readFileSync(file('c.json'), 'utf8'))).toHaveLength(2)
  })
})

describe('qpkv compare', () => {
  it('sets two rows of one file against each other', async () => {
    const rows = ['--spec-a', 'none+none', '--spec-b', JOINT]
    const { code, stdout } = await run(['compare', file('ruler.jsonl'), ...rows])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^A: none\+none \(.*\nB: keydiff/)
    expect(stdout).toContain('only A right 0, only B right 0')
    expect((await run(['compare', file('ruler.jsonl')])).code).toBe(2)
    const unknown = await run(['compare', file('ruler.jsonl'), '--spec-a', 'none+none', '--spec-b', 'x'])
    expect(unknown.stderr).toMatch(/has no row x\.\nhint: It has: none\+none, keydiff/)
  })
})

describe('qpkv bench longbench', () => {
  it('runs stand-ins and says so', async () => {
    const { code, stdout } = await run([
      'bench',
      'longbench',
      '--stand-ins',
      '--profile',
      'qpruningkv',
      '--max-prompt-tokens',
      '2000',
      '--datasets',
      'hotpotqa,lcc',
      '--rows',
      '1',
      '--new-tokens',
      '3',
      '--out',
      file('long.jsonl'),
    ])
    expect(code).toBe(0)
    expect(stdout).toMatch(/flat mean of 16 datasets, only 2 of 16 datasets/)
    expect(stdout).toContain('no benchmark score')
  })

  it('asks for data, and names what is wrong with them', async () => {
    expect((await run(['bench', 'longbench'])).stderr).toMatch(/either a data path or stand-ins/)
    const gone = await run(['bench', 'longbench', '--data', file('gone.zip'), '--config', folder])
    expect(gone.code).toBe(1)
    expect(gone.stderr).toMatch(/Expected dataset2prompt\.json in/)
  })
})

describe('qpkv bench longbench-v2', () => {
  const question = (id: string, difficulty: string) => ({
    _id: id,
    domain: 'd',
    sub_domain: 's',
    difficulty,
    length: 'short',
    question: 'Which one?',
    choice_A: 'a',
    choice_B: 'b',
    choice_C: 'c',
    choice_D: 'd',
    answer: 'A',
    context: ' The red boat crosses the hill.'.repeat(10),
  })

  it('runs questions of our own in its form, and cuts the middle', async () => {
    const rows = [question('1', 'easy'), question('2', 'hard'), { no: 'question' }]
    writeFileSync(file('v2.json'), JSON.stringify(rows, undefined, 2))
    writeFileSync(file('prompt.txt'), 'Read:\n$DOC$\n\n$Q$\n(A) $C_A$ (B) $C_B$ (C) $C_C$ (D) $C_D$\n')
    const args = ['bench', 'longbench-v2', '--data', file('v2.json'), '--prompt', file('prompt.txt')]
    const few = ['--new-tokens', '3', '--max-prompt-tokens', '60', '--out', file('v2.jsonl')]
    const { code, stdout, stderr } = await run([...args, ...few])
    expect(stderr).toMatch(/left out: .*v2\.json:\d+: /)
    expect(stdout).toMatch(/^none\+none +0\.0 +0\.0 +0\.0 +0\.0 +- +- +2$/m)
    expect(code).toBe(0)
    const [, , , record = '{}'] = readFileSync(file('v2.jsonl'), 'utf8').split('\n')
    expect((JSON.parse(record) as { promptTokens: number }).promptTokens).toBeLessThan(90)
    expect((await run([...args, '--strict'])).code).toBe(1)
    expect((await run(args.slice(0, 4))).stderr).toMatch(/needs its data\.json and a prompt file/)
    writeFileSync(file('empty.txt'), 'nothing')
    expect((await run([...args.slice(0, 5), file('empty.txt')])).stderr).toMatch(/slots \$DOC\$ and \$Q\$/)
  })
})

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
    const again = await run(['sweep', file('grid.json'), '--out', out])
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
    expect(await wrong({ ...grid, tasks: [option] })).toMatch(/needle has no option "lenghts"/)
    expect(await wrong({ ...grid, colour: 1 })).toMatch(/unknown field "colour"/)
  })

  it("states the cost of the paper's grids before it begins", async () => {
    for (const name of ['paper-table', 'paper-budget']) {
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
    const [job] = JSON.parse(readFileSync(join(file('paper-table'), 'jobs.json'), 'utf8')) as {
      specs: { label: string }[]
    }[]
    // Four methods, three sizes, four widths; the full cache and three widths alone.
    expect(job?.specs).toHaveLength(4 * 3 * 4 + 4)
    expect(job?.specs.map(({ label }) => label)).toContain('h2o+kivi:bits=2,group=32,recent=8@512t')
  })
})

describe('results of the original codes', () => {
  it('qpkv heatmap draws a needle folder and names a broken file', async () => {
    const results = file('needle')
    mkdirSync(results)
    const cell = (length: number, depth: number) => ({
      model: 'm',
      context_length: length,
      depth_percent: depth,
      needle: 'n',
      model_response: 'eat a sandwich',
      score: 5,
    })
    writeFileSync(join(results, 'a_results.json'), JSON.stringify(cell(1000, 0)))
    writeFileSync(join(results, 'b_results.json'), JSON.stringify(cell(2000, 50)))
    writeFileSync(join(results, 'c_results.json'), '{"model": "m"')
    const { code, stdout, stderr } = await run([
      'heatmap',
      results,
      '--score',
      'saved',
      '--out',
      file('h.svg'),
    ])
    expect(code).toBe(0)
    expect(stdout).toContain('overall 0.500 (mean of 2 cells, saved score / 10)')
    expect(stderr).toMatch(/left out: .*c_results\.json: not JSON/)
    expect(readFileSync(file('h.svg'), 'utf8')).toMatch(/^<svg/)
    expect((await run(['heatmap', results, '--strict'])).code).toBe(1)
  })

  it('qpkv score reads LongBench predictions', async () => {
    const folder = file('llama_128')
    mkdirSync(join(folder, 'hotpotqa'), { recursive: true })
    const line = (pred: string) =>
      `${JSON.stringify({ pred, answers: ['the mill'], length: 9, all_classes: null, _id: 'x' })}\n`
    writeFileSync(join(folder, 'hotpotqa', 'SnapKV.json'), line('mill') + line('lake'))
    writeFileSync(join(folder, 'hotpotqa', 'H2O.json'), `${line('mill')}{"pred": 3}\n`)
    const { code, stdout, stderr } = await run(['score', folder])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^hotpotqa +SnapKV +- +2 +50\.00$/m)
    expect(stdout).toMatch(/^hotpotqa +H2O +- +1 +100\.00$/m)
    expect(stderr).toMatch(/left out: .*H2O\.json:2: /)
    expect((await run(['score', folder, '--strict'])).code).toBe(1)
  })

  it('qpkv score reads RULER predictions in both layouts', async () => {
    const folder = file('ruler-results')
    mkdirSync(join(folder, '4096', 'vt'), { recursive: true })
    const line = (pred: string, name: string) => `${JSON.stringify({ pred, [name]: ['AB', 'CD'] })}\n`
    writeFileSync(join(folder, '4096', 'vt', 'SnapKV.json'), line('ab cd', 'answers') + line('ab', 'answers'))
    writeFileSync(join(folder, '4096', 'niah_single_1.jsonl'), line('ab', 'outputs'))
    const { code, stdout } = await run(['score', folder])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^vt +SnapKV +4096 +2 +75\.00$/m)
    expect(stdout).toMatch(/^niah_single_1 +- +4096 +1 +50\.00$/m)
    expect((await run(['score', file('nowhere')])).stderr).toMatch(/Cannot read the folder/)
  })
})
