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
    expect((await run(['bench', 'ruler', '--tasks', 'nosuch'])).stderr).toMatch(
      /'nosuch' is invalid\. Expected a list of niah_single_1/,
    )
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
    expect(stdout).toMatch(/^A: none\+none\nB: keydiff/)
    expect(stdout).toContain('only A right 0, only B right 0')
    expect((await run(['compare', file('ruler.jsonl')])).code).toBe(2)
    const pairs = ['--spec-a', 'none+none', '--spec-b', JOINT, '--spec-b', 'none+none', '--worst', '0']
    const table = await run(['compare', file('ruler.jsonl'), ...pairs])
    expect(table.stdout).toMatch(/p \(Holm\)\n.*\n.*none\+none .* keydiff.*\n.*none\+none .* none\+none/)
    const uneven = [...pairs, '--spec-a', 'none+none', '--spec-b', 'none+none']
    expect((await run(['compare', file('ruler.jsonl'), ...uneven])).code).toBe(2)
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
    const theirs = await run(['score', join(file('p'), 'reference_full')])
    expect(theirs.stdout).toMatch(new RegExp(`^lcc +none_none +- +2 +${score}$`, 'm'))
  })

  it('shows _e datasets by length, in no average, and scores their predictions alike', async () => {
    const few = ['bench', 'longbench', '--stand-ins', '--datasets', 'lcc_e', '--new-tokens', '12']
    const { code, stdout } = await run([...few, '--out', file('e.jsonl'), '--predictions', file('e')])
    expect(code).toBe(0)
    const score = /^lcc_e 0-4k +([\d.]+)$/m.exec(stdout)?.[1] ?? 'none'
    expect(stdout).toMatch(/^lcc_e 8k\+ +-$/m)
    expect(stdout).not.toMatch(/mean/)
    const theirs = await run(['score', join(file('e'), 'pred_e', 'reference')])
    expect(theirs.stdout).toMatch(new RegExp(`^lcc_e +- +0-4k +2 +${score}$`, 'm'))
    expect(theirs.stdout).toMatch(/^lcc_e +- +8k\+ +2 +-$/m)
    expect(theirs.stdout).not.toMatch(/mean/)
  })

  it('numbers the columns of many specs', async () => {
    const text = ['none+none', 'none+int8', 'keydiff:last=8+none@50%', 'keydiff:last=8+none@1t'].join('\n')
    writeFileSync(file('many.txt'), text)
    const few = ['bench', 'longbench', '--stand-ins', '--datasets', 'lcc', '--rows', '1', '--new-tokens', '4']
    const { stdout, code } = await run([...few, '--specs', file('many.txt'), '--out', file('m.jsonl')])
    expect(stdout).toMatch(/^dataset +\[1\] +\[2\] +\[3\] +\[4\]$/m)
    expect(stdout).toContain('[3] keydiff:last=8+none@50%')
    // The last one keeps too little for any row: no score, and no average that looks like the others'.
    expect(stdout).toMatch(/^lcc( +\d+\.\d\d){3} +-$/m)
    expect(stdout).toMatch(/^flat mean .*( +\d+\.\d\d){3} +-$/m)
    expect(code).toBe(1)
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

describe('bad data', () => {
  /** One file of each kind of trouble among good ones; every problem is named with file, line and what to do. */
  const bytes = (text: string, encoding: BufferEncoding) => Buffer.from(text, encoding)
  const troubles = (good: string, other: string): [string, Buffer, RegExp][] => [
    ['a row cut short', bytes(`${good}\n{"cut`, 'utf8'), /:2: .*again/],
    ['UTF-16', bytes(`\uFEFF${good}`, 'utf16le'), /:1: expected UTF-8 but the file is UTF-16\. Save/],
    [
      'latin-1',
      bytes(`${good}\n{"caf\u00E9": 1}\n${good.replace('"x"', '"y"')}`, 'latin1'),
      /:2: .*(Save|Convert) the file/,
    ],
    ['a missing field', bytes(good.replace('"input"', '"other"'), 'utf8'), /:1: .*"input".*(Take|row)/],
    ['nothing', Buffer.alloc(0), /: (there is no row in it|the file is empty)\. .*again/],
    ["another benchmark's row", bytes(other, 'utf8'), /:1: .*(LongBench|only).*(Point|Take)/],
  ]
  const ruler = JSON.stringify({ index: 0, input: 'Which? It is', outputs: ['7'], length: 9 })
  const long = JSON.stringify({
    input: 'Who?',
    context: 'A lake.',
    answers: ['a'],
    length: 3,
    dataset: 'hotpotqa',
    language: 'en',
    all_classes: null,
    _id: 'x',
  })

  it.each(troubles(ruler, long))('of RULER: %s', async (_, content, message) => {
    await expectNamed('ruler', content, message, ruler, ['--no-chat-template', '--tasks', 'vt,cwe'])
  })
  it.each(troubles(long, ruler))('of LongBench: %s', async (_, content, message) => {
    await expectNamed('longbench', content, message, long, ['--datasets', 'vt,cwe'])
  })

  async function expectNamed(bench: string, content: Buffer, message: RegExp, good: string, flags: string[]) {
    const data = mkdtempSync(join(folder, 'data-'))
    const names = bench === 'ruler' ? ['vt', 'cwe'] : ['hotpotqa', '2wikimqa']
    writeFileSync(join(data, `${names[0]}.jsonl`), content)
    writeFileSync(join(data, `${names[1]}.jsonl`), good.replace('hotpotqa', '2wikimqa'))
    const prompts = Object.fromEntries(names.map((name) => [name, '{context} {input}']))
    writeFileSync(join(data, 'dataset2prompt.json'), JSON.stringify(prompts))
    const lengths = Object.fromEntries(names.map((name) => [name, 2]))
    writeFileSync(join(data, 'dataset2maxlen.json'), JSON.stringify(lengths))
    const asked = flags.map((flag) => flag.replace('vt,cwe', names.join(',')))
    const limits = ['--new-tokens', '1', '--max-prompt-tokens', '500', '--out', join(data, 'out', 'r.jsonl')]
    const args = ['bench', bench, '--data', data, ...asked, ...limits]
    const { code, stdout, stderr } = await run(args)
    const place = join(data, `${names[0]}.jsonl`)
    const lines = stderr.split('\n').filter((line) => line.startsWith(`left out: ${place}`))
    expect(lines).toHaveLength(1)
    expect(lines[0]?.slice(`left out: ${place}`.length)).toMatch(message)
    expect(stdout).toContain(names[1])
    expect(code).toBe(0)
    const strict = await run([...args, '--strict'])
    expect(strict.code).toBe(1)
    expect(strict.stderr).toContain(`error: ${place}`)
    expect(strict.stderr).toContain('hint: ')
  }
})
