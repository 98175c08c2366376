import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { runBenchmark, type Benchmark } from '@qpkv/bench-kit'
import { loadModel } from '@qpkv/core'
import { methods } from '@qpkv/methods'
import { modelFolder } from '@qpkv/reference-model'
import { parseSpec } from '@qpkv/spec'
import { afterAll, describe, expect, test } from 'vitest'
import { createPackage } from '../../tools/new-method.ts'

// The recipes of AGENTS.md: short, and about what is there. That new pruners and quantizers pass their suites is tested beside.
const root = fileURLToPath(new URL('../../', import.meta.url))
const agents = readFileSync(join(root, 'AGENTS.md'), 'utf8')
const recipes = /^## Recipes$([^]*?)^## /m.exec(agents)?.[1]?.split(/^### /m).slice(1) ?? []
const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>
}
const work = mkdtempSync(join(fileURLToPath(new URL('.', import.meta.url)), '.new-'))
afterAll(() => rmSync(work, { recursive: true, force: true }))

test('there are recipes', () => expect(recipes.length).toBeGreaterThanOrEqual(2))

describe.each(recipes.map((text) => [text.split('\n')[0] ?? '', text] as const))('%s', (_, text) => {
  const codes = [...text.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code)

  test('has at most ten lines', () => {
    expect(
      text
        .trim()
        .split('\n')
        .slice(1)
        .filter((line) => line !== '').length,
    ).toBeLessThanOrEqual(10)
  })

  test('names commands and files that are there', () => {
    for (const [, name = ''] of codes.join('\n').matchAll(/^pnpm (?!exec)([\w:-]+)/gm))
      expect(Object.keys(scripts)).toContain(name)
    for (const path of codes.join(' ').match(/(?<![\w/])(docs|integration|packages|tools)\/[\w./-]+/g) ?? [])
      expect(existsSync(join(root, path)) || /NAME/.test(path), path).toBe(true)
  })
})

test('a new benchmark runs on the bundled model and goes on where it ended', async () => {
  const folder = join(work, createPackage('benchmark', 'my-codes', work))
  const exported = (await import(/* @vite-ignore */ pathToFileURL(join(folder, 'src/index.ts')).href)) as {
    default: Benchmark
  }
  await using model = await loadModel(modelFolder, { methods })
  const shared = {
    model,
    identity: { name: 'reference', fingerprint: 'test' },
    specs: [{ label: 'joint', spec: parseSpec('keydiff:last=8+kivi:bits=4,group=32,recent=8@50%') }],
    path: join(work, 'codes.jsonl'),
  }
  const { table } = await runBenchmark(exported.default, { samples: 2 }, shared)
  expect(table).toMatch(/^joint +1\.000 /m)
  const { records } = await runBenchmark(exported.default, { samples: 3 }, shared)
  expect(records).toHaveLength(3)
}, 60_000)
