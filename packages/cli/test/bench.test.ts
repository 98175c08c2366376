import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
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
    expect(stdout).toMatch(/^4 of 4 answers equal: ids, replies and scores/m)
    expect(stdout).toMatch(/^4 of 4 records equal in tokens kept, plan and bytes/m)
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
    expect(unknown.stderr).toMatch(/has no row x\..*\nhint: It has: none\+none, keydiff/)
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

  it('writes predictions that score alike, in either layout', async () => {
    const few = ['bench', 'longbench', '--stand-ins', '--datasets', 'lcc', '--new-tokens', '12']
    const limit = ['--max-prompt-tokens', '2000', '--out', file('p.jsonl'), '--predictions', file('p')]
    const { stdout } = await run([...few, ...limit])
    const score = /^lcc +([\d.]+)$/m.exec(stdout)?.[1] ?? 'none'
    const official = await run(['score', join(file('p'), 'pred', 'reference')])
    expect(official.stdout).toContain(` ${score}\n`)
    await run([...few, ...limit, '--layout', 'qpruningkv'])
    const theirs = await run(['score', join(file('p'), 'reference_0')])
    expect(theirs.stdout).toMatch(new RegExp(`^lcc +none_none +- +2 +${score}$`, 'm'))
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
