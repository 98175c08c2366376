import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { run } from './run.ts'

const folder = mkdtempSync(join(tmpdir(), 'qpkv-cli-'))
afterAll(() => {
  rmSync(folder, { recursive: true })
})

describe('qpkv bench needle', () => {
  const small = ['bench', 'needle', '--keys', '4', '--length', '300', '--samples', '3']

  it('prints one row and writes results that --resume goes on with', async () => {
    const out = join(folder, 'needle.jsonl')
    const json = join(folder, 'needle.json')
    const first = await run([...small, '--out', out, '--json', json])
    expect(first.code).toBe(0)
    expect(first.stdout).toMatch(/none\+none .* 100 % \(3\/3\)/)
    expect(JSON.parse(readFileSync(json, 'utf8'))).toBeTypeOf('object')
    const lines = readFileSync(out, 'utf8').split('\n').length
    const again = await run([...small, '--out', out, '--resume'])
    expect(again.stdout).toBe(first.stdout)
    expect(readFileSync(out, 'utf8').split('\n').length).toBe(lines + 1) // only the note that it was resumed
  })

  it('asks several questions of one compressed text', async () => {
    const spec = 'keydiff:last=8+kivi:bits=4,group=32,recent=8@50%'
    const out = join(folder, 'agnostic.jsonl')
    const { stdout, code } = await run([
      ...small,
      '--agnostic',
      '--questions',
      '2',
      '--spec',
      spec,
      '--out',
      out,
    ])
    expect(code).toBe(0)
    expect(stdout).toMatch(/\(\d\/6\)/)
  })

  it('refuses several questions of a prompt that holds its question', async () => {
    const { code, stderr } = await run([...small, '--questions', '4'])
    expect(code).toBe(2)
    expect(stderr).toMatch(/Expected --agnostic/)
  })
})

describe('qpkv demo', () => {
  it('compares ways to spend two budgets, says what won, and writes page, pictures and results', async () => {
    const out = join(folder, 'demo')
    const { code, stdout } = await run(['demo', '--scale', '0.05', '--lengths', '320,512', '--out', out])
    expect(code).toBe(0)
    for (const text of ['snapkv', 'keydiff'])
      expect(stdout).toMatch(
        new RegExp(
          `512 tokens with 16 numbers hidden; .*${text}[^]*full cache[^]*quantize only, 2 bit[^]*64 KiB: prune only[^]*128 KiB: joint, 2 bit`,
        ),
      )
    expect(stdout.match(/^At 64 KiB .*\.$/gm)).toHaveLength(2)
    for (const name of [
      'report.html',
      'heatmaps.svg',
      'tradeoff-query-aware.svg',
      'results.json',
      'results.jsonl',
    ]) {
      expect(stdout).toContain(join(out, name))
      expect(existsSync(join(out, name))).toBe(true)
    }
  })
})
