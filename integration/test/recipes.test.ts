import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
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

test.each(['allocator', 'quantizer', 'benchmark', 'statistic', 'backend'])(
  'there is a recipe for a %s',
  (what) => {
    expect(recipes.filter((text) => (text.split('\n')[0] ?? '').includes(what))).toHaveLength(1)
  },
)

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

/** The files of a new statistic, by its recipe. */
const statistic = {
  'packages/spec/src/plan/statistics/key-largest.ts': `import { defineStatistic } from '../statistic.ts'
export const keyLargest = defineStatistic({
  name: 'key-largest', version: 1, doc: 'Largest channel of a key.', rows: 'kv', reads: ['keys'], options: {},
})
`,
  'packages/reference/src/measured/key-largest.ts': `import { needed, perKvHead, rowOf, type LayerTensors } from '../layer-tensors.ts'
export const keyLargest = (_: unknown, tensors: LayerTensors): Float64Array[] =>
  perKvHead(tensors, (head, token) => Math.max(...rowOf(needed(tensors, 'k'), tensors, head, token)))
`,
  'packages/core/native/reference/statistics/key_largest.cc': `#include "ops/statistics/key_largest.h"
#include "reference/statistics/vectors.h"
#include <algorithm>
namespace qpkv::reference::key_largest {
void Run(Stream&, const StatisticArgs& args) {
  if (args.stage != StatisticStage::kFinish) return;
  for (int head = 0; head < args.shape.kv_heads; ++head)
    for (int t = 0; t < args.shape.tokens; ++t) {
      const std::vector<double> key = RowOf(args, args.k, head, t);
      args.out[head * args.shape.tokens + t] = static_cast<float>(*std::max_element(key.begin(), key.end()));
    }
}
extern const Statistic kStatistic;
const Statistic kStatistic = {&statistics::key_largest::kAbout, nullptr, nullptr, Run};
}
`,
}

test('a new statistic needs its own files and "pnpm generate"', async () => {
  const copy = join(work, 'statistic')
  for (const part of ['tools', 'packages/spec', 'packages/reference', 'packages/core/native'])
    cpSync(join(root, part), join(copy, part), {
      recursive: true,
      filter: (path) => !/node_modules|dist|goldens|fuzz/.test(relative(root, path)),
    })
  for (const file of ['package.json', 'pnpm-workspace.yaml']) cpSync(join(root, file), join(copy, file))
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
  symlinkSync(join(root, 'packages/reference/node_modules'), join(copy, 'packages/reference/node_modules'))
  for (const [file, text] of Object.entries(statistic)) writeFileSync(join(copy, file), text)
  const run = (...args: string[]) => execFileSync(args[0]!, args.slice(1), { cwd: copy, encoding: 'utf8' })
  expect(
    run('node', '--conditions=@qpkv/source', '--import', 'tsx', 'tools/generate-statistics.ts'),
  ).toContain('generated statistics: ok')

  const load = async (file: string): Promise<Record<string, Record<string, unknown>>> =>
    (await import(/* @vite-ignore */ pathToFileURL(join(copy, file)).href)) as never
  const { statistics } = await load('packages/spec/src/plan/statistics.ts')
  expect(statistics?.['keyLargest']).toMatchObject({ name: 'key-largest', reads: ['keys'] })
  const { measured } = await load('packages/reference/src/measured.ts')
  const tensors = { k: Float32Array.of(1, 5, -2, 3), tokens: 2, kvHeads: 1, headDim: 2 }
  const measure = measured?.['key-largest'] as ((node: object, of: object) => unknown) | undefined
  expect(measure?.({}, tensors)).toEqual([Float64Array.of(5, 3)])
  const native = 'packages/core/native'
  expect(readFileSync(join(copy, native, 'ops/statistics/key_largest.h'), 'utf8')).toContain(
    '"key-largest", 1',
  )
  run('c++', '-std=c++17', '-fsyntax-only', '-I', native, join(native, 'reference/statistics/key_largest.cc'))
}, 240_000)
