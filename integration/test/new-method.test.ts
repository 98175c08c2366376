import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { testPruner, testQuantizer } from '@qpkv/conformance'
import type { AnyMethod, AnyPruner, AnyQuantizer } from '@qpkv/spec'
import { afterAll, describe, expect, test } from 'vitest'
import { createPackage } from '../../tools/new-method.ts'

/*
 * `pnpm new`: what it writes passes the suite as it is. The folder lies here, where the packages that it imports are found.
 */
const work = mkdtempSync(join(fileURLToPath(new URL('.', import.meta.url)), '.new-'))
afterAll(() => rmSync(work, { recursive: true, force: true }))

describe.each(['pruner', 'quantizer'])('pnpm new %s', async (role) => {
  const folder = join(work, createPackage(role, 'my-method', work))
  const index = pathToFileURL(join(folder, 'src', 'index.ts')).href
  const { myMethod } = (await import(/* @vite-ignore */ index)) as { myMethod: AnyMethod }

  if (role === 'pruner') testPruner({ test, pruner: myMethod as AnyPruner })
  else testQuantizer({ test, quantizer: myMethod as AnyQuantizer })

  test('the README has a row for every option', () => {
    const readme = readFileSync(join(folder, 'README.md'), 'utf8')
    for (const [name, option] of Object.entries(myMethod.options))
      expect(readme).toContain(
        `| \`${name}\` | \`${String(option.default)}\` | ${option.accepts} | ${option.doc} |`,
      )
  })

  test('a taken name and a bad one are refused', () => {
    mkdirSync(join(work, 'packages', `${role}s`, 'taken'), { recursive: true })
    expect(() => createPackage(role, 'taken', work)).toThrow('exists already')
    expect(() => createPackage(role, 'MyMethod', work)).toThrow('kebab-case')
  })
})
