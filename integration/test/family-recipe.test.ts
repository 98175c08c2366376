import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { loadModel } from '@qpkv/core'
import { afterAll, expect, test } from 'vitest'
import { namedModel } from '../../packages/core/test/support/named-weights.ts'
import { familyList } from '../../tools/family-list.ts'

/*
 * docs/add-a-model-family.md, followed: its example is written into a copy of core's sources (beside them, where the
 * packages that they import are found), the list is generated, and the model has the logits of transformers.
 */
const path = (relative: string) => fileURLToPath(new URL(`../../${relative}`, import.meta.url))
const copy = mkdtempSync(path('packages/core/.recipe-'))
afterAll(() => {
  rmSync(copy, { recursive: true, force: true })
})

interface FamilyCase {
  readonly config: Readonly<Record<string, unknown>>
  readonly tensors: Readonly<Record<string, readonly number[]>>
  readonly ids: readonly number[]
}

test('the example of the recipe loads and has the logits of transformers', async () => {
  cpSync(path('packages/core/src'), join(copy, 'src'), { recursive: true })
  const example =
    /```ts\n([^]*?)```/.exec(readFileSync(path('docs/add-a-model-family.md'), 'utf8'))?.[1] ?? ''
  const model = join(copy, 'src', 'model')
  writeFileSync(join(model, 'families', 'seed-oss.ts'), example)
  writeFileSync(join(model, 'architectures.ts'), familyList(model))
  const index = pathToFileURL(join(copy, 'src', 'index.ts')).href
  const core = (await import(/* @vite-ignore */ index)) as { loadModel: typeof loadModel }

  const goldens = 'packages/core/test/goldens/recipe/seed-oss'
  const { config, tensors, ids } = JSON.parse(readFileSync(path(`${goldens}.json`), 'utf8')) as FamilyCase
  const bytes = readFileSync(path(`${goldens}.f32`))
  await using loaded = await core.loadModel(namedModel(config, tensors), { precision: 'f32', threads: 2 })
  const { logits } = await loaded.logits([...ids])
  const wanted = Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(4 * i))
  expect(logits).toHaveLength(wanted.length)
  expect(Math.max(...wanted.map((x, i) => Math.abs(x - (logits[i] ?? NaN))))).toBeLessThan(1e-4)
})
