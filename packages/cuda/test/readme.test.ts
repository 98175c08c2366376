import { existsSync, readFileSync } from 'node:fs'
import { runInThisContext } from 'node:vm'
import type { Model } from '@qpkv/core'
import { modelFolder } from '@qpkv/reference-model'
import { afterEach, expect, test, vi } from 'vitest'
import { executor } from './support.ts'

const packages: Record<string, () => Promise<unknown>> = {
  '@qpkv/core': () => import('@qpkv/core'),
  '@qpkv/cuda': () => import('../src/index.ts'),
}
afterEach(() => vi.unstubAllEnvs())

test.skipIf(!existsSync(executor))(
  'the README says what works',
  async () => {
    vi.stubEnv('QPKV_CUDA_LIBRARY', executor)
    const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
    const block = /## Use\s+```ts\n([^]*?)```/.exec(readme)?.[1] ?? ''
    const code = block
      .replace(/^import (\{.*\}) from '(.*)'$/gm, "const $1 = await load('$2')")
      .replace("'path/to/model'", JSON.stringify(modelFolder))
    expect(code).not.toContain('import ')
    const run = runInThisContext(`(async (load) => {${code}; return model})`) as (
      load: (name: string) => unknown,
    ) => Promise<Model>
    const model = await run((name) => packages[name]?.())
    expect(model.table).toBe('cuda')
    await model.dispose()
  },
  120_000,
)
