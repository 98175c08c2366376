import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { testAllocator, testPruner, testQuantizer, testSharing } from '@qpkv/conformance'
import { roleNames, type AnyMethod } from '@qpkv/spec'
import { afterAll, describe, expect, test } from 'vitest'
import { createPackage } from '../../tools/new-method.ts'

/*
 * `pnpm new`: what it writes passes the suite as it is. The folder lies here, where the packages that it imports are found.
 */
const work = mkdtempSync(join(fileURLToPath(new URL('.', import.meta.url)), '.new-'))
afterAll(() => rmSync(work, { recursive: true, force: true }))

describe.each(roleNames)('pnpm new %s', async (role) => {
  const name = `my-${role}`
  const folder = join(work, createPackage(role, name, work))
  const index = pathToFileURL(join(folder, 'src', 'index.ts')).href
  const { default: myMethod } = (await import(/* @vite-ignore */ index)) as { default: AnyMethod }

  if (myMethod.role === 'pruner') testPruner({ test, pruner: myMethod })
  else if (myMethod.role === 'allocator') testAllocator({ test, allocator: myMethod })
  else if (myMethod.role === 'sharing') testSharing({ test, sharing: myMethod })
  else testQuantizer({ test, quantizer: myMethod })

  test('the README has a row for every option', () => {
    const readme = readFileSync(join(folder, 'README.md'), 'utf8')
    for (const [name, option] of Object.entries(myMethod.options))
      expect(readme).toContain(
        `| \`${name}\` | \`${String(option.default)}\` | ${option.accepts} | ${option.doc} |`,
      )
  })

  test('a taken name and a bad one are refused', () => {
    expect(() => createPackage(role, name, work)).toThrow('exists already')
    expect(() => createPackage(role, 'MyMethod', work)).toThrow('kebab-case')
  })
})
