import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { readRegistry } from '../src/registry.ts'
import { run } from './run.ts'

const folder = mkdtempSync(join(tmpdir(), 'qpkv-cli-'))
afterAll(() => {
  rmSync(folder, { recursive: true })
})

function install(name: string, source: string): void {
  const place = join(folder, 'node_modules', name)
  mkdirSync(place, { recursive: true })
  writeFileSync(join(place, 'package.json'), JSON.stringify({ name, type: 'module', exports: './index.js' }))
  writeFileSync(join(place, 'index.js'), source)
}

/** What `defineBenchmark` makes, as plain JavaScript: the package of this test cannot resolve @qpkv/bench-kit. */
const ownBenchmark = () => `
const words = { default: 2, accepts: 'a whole number', doc: 'How many words.', role: 'extent', flag: { value: '<N>', read: Number }, check: (v) => v }
export default {
  role: 'benchmark', name: 'echo', about: 'says words back', options: { words },
  prepare: async ({ words }) => ({
    samples: Array.from({ length: words }, (_, i) => ({ id: 'word/' + i, facets: {}, word: 'boat' + i })),
    state: undefined,
  }),
  ask: ({ word }, { model }) => ({
    ids: model.tokenizer.encode('The red ' + word + ' crosses the hill.'),
    questions: [{ text: '', expected: word, rule: { maxTokens: 2, stopTokens: [] } }],
  }),
  score: (reply) => ({ letters: Math.min(1, reply.length / 10) }),
}`

describe('--use', () => {
  it('adds the methods of a package that is installed where the command runs', async () => {
    install(
      'kv-pruner-mine',
      `export const mine = Object.assign(() => ({ method: 'mine' }), { contract: 2, role: 'pruner', paper: '', options: {}, profiles: {}, bind: () => ({}) })
       Object.defineProperty(mine, 'name', { value: 'mine' })
       export default mine`,
    )
    const registry = await readRegistry(['kv-pruner-mine'], folder)
    expect(registry.pruners.get('mine')?.role).toBe('pruner')
    expect(registry.pruners.has('snapkv')).toBe(true)
  })

  it('runs a benchmark of such a package, with its own metric, by its name, in a sweep, and again', async () => {
    install('my-bench', ownBenchmark())
    const before = process.cwd()
    process.chdir(folder)
    try {
      const use = ['--use', 'my-bench']
      const { code, stdout, stderr } = await run([
        'bench',
        'echo',
        '--words',
        '2',
        '--out',
        'echo.jsonl',
        ...use,
      ])
      expect(stderr).not.toContain('error')
      expect(stdout).toMatch(/^none\+none +\d\.\d{3} /m)
      expect(code).toBe(0)
      // Nothing of this repository names it: flags, help, resuming, repeating and sweeping follow from the value.
      expect((await run(['bench', 'echo', '--help', ...use])).stdout).toMatch(/--words <N> +How many words/)
      const more = await run(['bench', 'echo', '--words', '3', '--out', 'echo.jsonl', ...use])
      expect(more.stderr).toContain('held 2 records already')
      expect((await run(['run', 'echo.jsonl', ...use])).stdout).toContain('3 of 3 answers equal')
      writeFileSync('grid.json', JSON.stringify({ tasks: [{ bench: 'echo' }], specs: ['none+none'] }))
      const swept = await run(['sweep', 'grid.json', '--out', 'swept', ...use])
      expect(swept.stdout).toContain('reference echo')
      expect(swept.code).toBe(0)
      expect((await run(['report', 'swept'])).stdout).toContain('1 result files')
      expect((await run(['bench', 'echo'])).code).toBe(2)
    } finally {
      process.chdir(before)
    }
  }, 60_000)

  it('says what is wrong with a package', async () => {
    install('no-methods', 'export const x = 1')
    await expect(readRegistry(['no-methods'], folder)).rejects.toThrow(
      /exports neither a method nor a benchmark/,
    )
    const { code, stderr } = await run(['methods', '--use', 'not-installed-anywhere'])
    expect(code).toBe(2)
    expect(stderr).toMatch(
      /not-installed-anywhere could not be imported[^]*npm install not-installed-anywhere/,
    )
  })
})
