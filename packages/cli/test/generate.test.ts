import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { needleCases } from '@qpkv/reference-model'
import { afterAll, describe, expect, it } from 'vitest'
import { run } from './run.ts'

const folder = mkdtempSync(join(tmpdir(), 'qpkv-cli-'))
afterAll(() => {
  rmSync(folder, { recursive: true })
})
const [sample] = needleCases({
  seed: 5,
  tokens: 300,
  keys: 4,
  samples: 1,
  countTokens: (text) => text.length / 4,
  protocol: 'query-aware',
})
const prompt = sample?.prompt ?? ''
const answer = sample?.questions[0]?.answer ?? ''

describe('qpkv generate', () => {
  it('streams the reply to stdout and nothing else', async () => {
    const { code, stdout, stderr } = await run(['generate', '--prompt', prompt, '--max-tokens', '12'])
    expect(stderr).toBe('')
    expect(stdout).toMatch(new RegExp(`^ ${answer}\\.`))
    expect(stdout.endsWith('\n')).toBe(true)
    expect(code).toBe(0)
  })

  it('reads the prompt from a file or from stdin', async () => {
    const file = join(folder, 'prompt.txt')
    writeFileSync(file, prompt)
    const wanted = (await run(['generate', '--prompt', prompt, '--max-tokens', '12'])).stdout
    expect((await run(['generate', '--prompt-file', file, '--max-tokens', '12'])).stdout).toBe(wanted)
    expect((await run(['generate', '-', '--max-tokens', '12'], prompt)).stdout).toBe(wanted)
  })

  it('reports tokens kept, bytes and timings, and writes JSON that --spec reads', async () => {
    const json = join(folder, 'out.json')
    const spec = [
      '--prune',
      'snapkv:window=16',
      '--quantize',
      'kivi:bits=4,group=32,recent=8',
      '--budget',
      '96t',
    ]
    const first = await run([
      'generate',
      '--prompt',
      prompt,
      '--max-tokens',
      '8',
      ...spec,
      '--report',
      '--json',
      json,
    ])
    expect(first.stderr).toMatch(/^spec +snapkv:window=16\+kivi:bits=4,group=32,recent=8@96t$/m)
    expect(first.stderr).toMatch(/^kept +96 per head/m)
    expect(first.stderr).toMatch(/^bits +4 nominal, [5-9]/m)
    const written = JSON.parse(readFileSync(json, 'utf8')) as {
      report: { bytes: { planned: number; allocated: number } }
    }
    expect(written.report.bytes.planned).toBe(written.report.bytes.allocated)
    const again = await run(['generate', '--prompt', prompt, '--max-tokens', '8', '--spec', json])
    expect(again.stdout).toBe(first.stdout)
    const same = await run(['generate', '--prompt', prompt, '--max-tokens', '8', '--compress', json])
    expect(same.stdout).toBe(first.stdout)
  })

  it('answers in chat form', async () => {
    const text = `${prompt.split('\nQuestion')[0] ?? ''}\nWhat is the special magic number for ${sample?.questions[0]?.key ?? ''}?`
    const { stdout, code } = await run(['generate', '--chat', '--prompt', text, '--max-tokens', '40'])
    expect(code).toBe(0)
    expect(stdout).toContain(answer)
  })

  it('says which budget would work when one is too small', async () => {
    const { code, stderr } = await run([
      'generate',
      '--prompt',
      prompt,
      '--prune',
      'snapkv:window=16',
      '--budget',
      '8t',
    ])
    expect(code).toBe(1)
    expect(stderr).toMatch(/^error: .*\nhint: The smallest that works is 16t;/)
  })
})

describe('the prompt of qpkv generate', () => {
  const write = (content: string | Buffer) => {
    const file = join(mkdtempSync(join(folder, 'prompt-')), 'prompt.txt')
    writeFileSync(file, content)
    return file
  }
  const read = (...flags: string[]) => run(['generate', '--max-tokens', '1', ...flags])

  it('is the text of a file, its byte order mark left out', async () => {
    const tokens = async (content: string) =>
      /tokens +(\d+) in/.exec((await read('--prompt-file', write(content), '--report')).stderr)?.[1]
    expect(await tokens('\ufeffHello there')).toBe(await tokens('Hello there'))
  })

  it.each([
    ['UTF-16', Buffer.from('\ufeffHello', 'utf16le'), /UTF-16.*KV_DATA[^]*iconv/],
    ['another encoding', Buffer.from('caf\xe9', 'latin1'), /byte 3 .*KV_DATA/],
  ])('in %s is refused', async (_, content, message) => {
    const { code, stdout, stderr } = await read('--prompt-file', write(content))
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(message)
  })

  it('may have a spec file with a mark', async () => {
    const spec = write('\ufeff{"specVersion":1,"quantize":{"method":"int8"}}')
    expect((await read('--prompt', 'Hi', '--spec', spec)).code).toBe(0)
  })

  it('is kept whole by a pruner without a budget, which is said', async () => {
    expect((await read('--prompt', 'Hi', '--prune', 'snapkv')).stderr).toMatch(
      /note: snapkv keeps every token.*budget/,
    )
  })
})

describe('qpkv chat', () => {
  it('answers line by line and obeys commands', async () => {
    const text = prompt.split('\nQuestion')[0]?.replaceAll('\n', ' ') ?? ''
    const question = `What is the special magic number for ${sample?.questions[0]?.key ?? ''}?`
    const { code, stdout, stderr } = await run(
      ['chat', '--max-tokens', '40'],
      [`/report`, `${text} ${question}`, '/report', '/rest', '/reset', '/exit', 'never read'].join('\n'),
    )
    expect(code).toBe(0)
    expect(stdout).toMatch(/^Nothing has been said yet\./)
    expect(stdout).toContain(answer)
    expect(stdout).toMatch(/^share +100? %|^share +\d/m)
    expect(stderr).toMatch(/Did you mean \/reset/)
  })
})

describe('qpkv doctor', () => {
  it('finds the engine', async () => {
    const { code, stdout } = await run(['doctor'])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^op tables +\S+ is used/m)
    const found = JSON.parse((await run(['doctor', '--json'])).stdout) as { opTables: string[] }
    expect(found.opTables).toContain('scalar')
  })
})
