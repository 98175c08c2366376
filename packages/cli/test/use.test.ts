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

describe('--use', () => {
  it('adds the methods of a package that is installed where the command runs', async () => {
    install(
      'kv-pruner-mine',
      `export const mine = Object.assign(() => ({ method: 'mine' }), { contract: 1, role: 'pruner', paper: '', options: {}, profiles: {}, bind: () => ({}) })
       Object.defineProperty(mine, 'name', { value: 'mine' })
       export default mine`,
    )
    const registry = await readRegistry(['kv-pruner-mine'], folder)
    expect(registry.pruners.get('mine')?.role).toBe('pruner')
    expect(registry.pruners.has('snapkv')).toBe(true)
  })

  it('says what is wrong with a package', async () => {
    install('no-methods', 'export const x = 1')
    await expect(readRegistry(['no-methods'], folder)).rejects.toThrow(
      /exports neither a pruner nor a quantizer/,
    )
    const { code, stderr } = await run(['methods', '--use', 'not-installed-anywhere'])
    expect(code).toBe(2)
    expect(stderr).toMatch(
      /not-installed-anywhere could not be imported[^]*npm install not-installed-anywhere/,
    )
  })
})
