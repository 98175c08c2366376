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

  it('prints one row and writes results that the same command goes on with', async () => {
    const out = join(folder, 'needle.jsonl')
    const json = join(folder, 'needle.json')
    const first = await run([...small, '--out', out, '--json', json])
    expect(first.code).toBe(0)
    expect(first.stdout).toMatch(/none\+none .* 100 % \(3\/3\)/)
    expect(JSON.parse(readFileSync(json, 'utf8'))).toBeTypeOf('object')
    const lines = readFileSync(out, 'utf8').split('\n').length
    const again = await run([...small, '--out', out])
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

  it('runs the grid of the originals, writes their files, and draws them', async () => {
    const cells = join(folder, 'cells')
    const out = join(folder, 'grid.jsonl')
    const grid = ['bench', 'needle', '--from', '300', '--to', '501', '--step', '100', '--depths', '4']
    const files = ['--out', out, '--predictions', cells, '--csv', join(folder, 'grid.csv')]
    const { code, stdout, stderr } = await run([...grid, ...files, '--new-tokens', '3'])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^none\+none( +\d\.\d{3}){3} +12$/m)
    expect(stdout).toContain('our own sentences: no benchmark score')
    expect(stderr).toContain('predictions: 12 files')
    expect(existsSync(join(cells, '1_len_500_depth_3300_results.json'))).toBe(true)
    expect(readFileSync(join(folder, 'grid.csv'), 'utf8').split('\r\n')).toHaveLength(1 + 12 + 1)
    expect((await run(['heatmap', cells, '--out', join(folder, 'h.svg')])).stdout).toMatch(/mean of 12 cells/)
    const sigmoid = [
      ...grid,
      '--depth-schedule',
      'sigmoid',
      '--new-tokens',
      '1',
      '--out',
      join(folder, 's.jsonl'),
    ]
    await run(sigmoid)
    expect(readFileSync(join(folder, 's.jsonl'), 'utf8')).toContain('"depths":[0,15.887,84.113,100]')
  })

  it('takes depths as a number of them or as a list, and refuses flags of the other form', async () => {
    const few = [...small.slice(0, -1), '1', '--out', join(folder, 'd.jsonl'), '--replace']
    const task = async (depths: string) => {
      await run([...few, '--depths', depths])
      return readFileSync(join(folder, 'd.jsonl'), 'utf8')
    }
    expect(await task('4')).toContain('"depths":[13,38,63,88]')
    expect(await task('50%')).toContain('"depths":[50]')
    expect(await task('20,80')).toContain('"depths":[20,80]')
    expect((await run([...few, '--depths', '5,5'])).stderr).toMatch(/depths that differ/)
    expect((await run([...few, '--depths', '5,500'])).stderr).toMatch(/from 0 to 100/)
    expect((await run([...few, '--from', '300'])).stderr).toMatch(
      /needle has no option "(keys|samples)" with the form plain/,
    )
    expect((await run([...few, '--predictions', folder])).stderr).toMatch(
      /no predictions to write[^]*--form plain/,
    )
  })

  it('refuses several questions of a prompt that holds its question', async () => {
    const { code, stderr } = await run([...small, '--questions', '4'])
    expect(code).toBe(2)
    expect(stderr).toMatch(/holds its question has only one[^]*Add --agnostic/)
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
      'query-aware.jsonl',
      'query-agnostic.jsonl',
    ]) {
      expect(stdout).toContain(join(out, name))
      expect(existsSync(join(out, name))).toBe(true)
    }
  })
})
