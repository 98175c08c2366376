import { readFileSync } from 'node:fs'
import { runInThisContext } from 'node:vm'
import { modelFolder } from '@qpkv/reference-model'
import { expect, it } from 'vitest'

const packages: Record<string, () => Promise<unknown>> = {
  '@qpkv/core': () => import('../src/index.ts'),
  '@qpkv/pruner-snapkv': () => import('@qpkv/pruner-snapkv'),
  '@qpkv/quantizer-kivi': () => import('@qpkv/quantizer-kivi'),
}

it('the README says what works', async () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
  const block = /## Use\s+```ts\n([^]*?)```/.exec(readme)?.[1] ?? ''
  const code = block
    .replace(/^import (\{.*\}) from '(.*)'$/gm, "const $1 = await load('$2')")
    .replace("'path/to/model'", JSON.stringify(modelFolder))
  expect(code).not.toContain('import ')
  const written: string[] = []
  const logged: unknown[] = []
  const run = runInThisContext(`(async (load, process, console) => {${code}})`) as (
    ...given: unknown[]
  ) => Promise<void>
  await run(
    (name: string) => packages[name]?.(),
    { stdout: { write: (text: string) => written.push(text) } },
    { log: (...values: unknown[]) => logged.push(...values) },
  )
  expect(written.join('')).not.toBe('')
  expect(logged[0]).toMatchObject({ unused: expect.any(Number) as number })
})
